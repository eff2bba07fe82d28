package run

import (
	"context"
	"fmt"

	"rookery/auth"
	"rookery/config"
	"rookery/gateway"
)

// policyOf turns a configuration into what the gateway needs of it. What it starts
// (to fetch keys, say) ends with ctx.
func (n *Node) policyOf(ctx context.Context, cfg *config.Config) (gateway.Policy, error) {
	tokens, err := n.openJWT(ctx, cfg)
	if err != nil {
		return gateway.Policy{}, fmt.Errorf("jwt: %w", err)
	}
	p := gateway.Policy{Domain: cfg.Server.Domain, MaxRequests: cfg.Server.MaxConcurrentRequests, NoAccessLog: !cfg.Log.Access}
	for i := range cfg.Buckets {
		b := &cfg.Buckets[i]
		guard, err := guardOf(tokens, cfg, b)
		if err != nil {
			return gateway.Policy{}, fmt.Errorf("bucket %s: %w", b.Name, err)
		}
		p.Routes = append(p.Routes, gateway.Route{
			Bucket: b.Name, PathPrefix: b.PathPrefix, Region: b.S3.Region, Guard: guard, ClientCacheControl: b.ClientCacheControl,
			CORS: corsOf(b.CORS),
		})
	}
	return p, nil
}

// guardOf makes the guard of one bucket; nil for one that everybody may read.
func guardOf(tokens *auth.JWT, cfg *config.Config, b *config.Bucket) (*auth.Guard, error) {
	if !b.Auth.Enabled {
		return nil, nil
	}
	schemes, rules, err := tokensGuard(tokens, cfg, b)
	if err != nil {
		return nil, err
	}
	signatures, err := signatureSchemes(&b.Auth)
	if err != nil {
		return nil, err
	}
	schemes = append(schemes, signatures...)
	return auth.NewGuard(false, schemes, rules), nil
}

func corsOf(rules []config.CORSRule) []gateway.CORSRule {
	all := make([]gateway.CORSRule, len(rules))
	for i, r := range rules {
		all[i] = gateway.CORSRule(r)
	}
	return all
}
