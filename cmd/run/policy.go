package run

import (
	"context"
	"fmt"

	"rookery/auth"
	"rookery/config"
	"rookery/gateway"
	"rookery/limit"
)

// policyOf turns a configuration into what the gateway needs of it, and whose tokens are
// operators'. What it starts (to fetch keys, say) ends with ctx.
func (n *Node) policyOf(ctx context.Context, cfg *config.Config) (gateway.Policy, *auth.Operators, error) {
	tokens, err := n.openJWT(ctx, cfg)
	if err != nil {
		return gateway.Policy{}, nil, fmt.Errorf("jwt: %w", err)
	}
	claims, err := conditionsOf(cfg.JWT.AdminClaims)
	if err != nil {
		return gateway.Policy{}, nil, fmt.Errorf("jwt.admin_claims: %w", err)
	}
	p := gateway.Policy{
		Domain: cfg.Server.Domain, MaxRequests: cfg.Server.MaxConcurrentRequests, NoAccessLog: !cfg.Log.Access,
		TrustedProxies: auth.NewNetworks(cfg.Server.TrustedProxies),
		Addresses:      auth.NewAddresses(cfg.Server.IPFilter.Allow, cfg.Server.IPFilter.Block),
		Rates:          rates(&cfg.Server.RateLimits), SlowAfter: cfg.Log.Slow,
	}
	for i := range cfg.Buckets {
		b := &cfg.Buckets[i]
		guard, err := n.guardOf(ctx, tokens, cfg, b)
		if err != nil {
			return gateway.Policy{}, nil, fmt.Errorf("bucket %s: %w", b.Name, err)
		}
		if own := auth.NewAddresses(b.IPFilter.Allow, b.IPFilter.Block); own != nil {
			guard = guard.Behind(own)
		}
		p.Routes = append(p.Routes, gateway.Route{
			Bucket: b.Name, PathPrefix: b.PathPrefix, Region: b.S3.Region, Guard: guard, NoAnonymousLists: b.NoAnonymousLists, ClientCacheControl: b.ClientCacheControl,
			AuditReads: b.AuditReads, MaxRequests: b.MaxConcurrentRequests, Rates: rates(&b.RateLimits), CORS: corsOf(b.CORS),
		})
	}
	return p, auth.NewOperators(tokens, claims), nil
}

// guardOf makes the guard of one bucket; nil for one that everybody may read.
func (n *Node) guardOf(ctx context.Context, tokens *auth.JWT, cfg *config.Config, b *config.Bucket) (*auth.Guard, error) {
	asked, err := n.opaRules(ctx, cfg, b)
	switch {
	case err != nil:
		return nil, err
	case !b.Auth.Enabled && asked == nil:
		return nil, nil
	case !b.Auth.Enabled:
		return auth.NewGuard(true, nil, asked), nil
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
	return auth.NewGuard(false, schemes, append(rules, asked...)), nil
}

func corsOf(rules []config.CORSRule) []gateway.CORSRule {
	all := make([]gateway.CORSRule, len(rules))
	for i, r := range rules {
		all[i] = gateway.CORSRule(r)
	}
	return all
}

func rates(l *config.RateLimits) limit.Rates {
	return limit.Rates{Total: limit.Rate(l.Total), PerAddress: limit.Rate(l.PerAddress), PerSubject: limit.Rate(l.PerSubject)}
}
