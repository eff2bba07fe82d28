package run

import (
	"context"
	"fmt"

	"rookery/auth"
	"rookery/config"
	"rookery/gateway"
	"rookery/limit"
)

// policyOf turns a configuration into what the gateway needs of it. What it starts
// (to fetch keys, say) ends with ctx.
func (n *Node) policyOf(ctx context.Context, cfg *config.Config) (gateway.Policy, error) {
	p := gateway.Policy{Domain: cfg.Server.Domain, MaxRequests: cfg.Server.MaxConcurrentRequests, Rates: rates(&cfg.Server.RateLimits)}
	for i := range cfg.Buckets {
		b := &cfg.Buckets[i]
		guard, err := n.guardOf(ctx, cfg, b)
		if err != nil {
			return gateway.Policy{}, fmt.Errorf("bucket %s: %w", b.Name, err)
		}
		p.Routes = append(p.Routes, gateway.Route{
			Bucket: b.Name, PathPrefix: b.PathPrefix, Guard: guard, ClientCacheControl: b.ClientCacheControl,
			MaxRequests: b.MaxConcurrentRequests, Rates: rates(&b.RateLimits),
		})
	}
	return p, nil
}

// guardOf makes the guard of one bucket; nil for one that everybody may read.
func (n *Node) guardOf(_ context.Context, _ *config.Config, _ *config.Bucket) (*auth.Guard, error) {
	return nil, nil
}

func rates(l *config.RateLimits) limit.Rates {
	return limit.Rates{Total: limit.Rate(l.Total), PerAddress: limit.Rate(l.PerAddress), PerSubject: limit.Rate(l.PerSubject)}
}
