package run

import (
	"context"
	"fmt"

	"rookery/auth"
	"rookery/config"
)

// opaRules are what a bucket's policy server is asked; none where it has none.
func (n *Node) opaRules(ctx context.Context, cfg *config.Config, b *config.Bucket) ([]auth.Rule, error) {
	if b.OPA == nil {
		return nil, nil
	}
	rule, err := auth.NewOPA(ctx, auth.OPAOptions{
		URL: b.OPA.URL, Policy: b.OPA.PolicyPath, Timeout: b.OPA.Timeout, TTL: b.OPA.CacheTTL, Bucket: b.Name,
		AllowLinkLocal: cfg.Network.AllowLinkLocal, Log: n.log, Metrics: n.metrics,
	})
	if err != nil {
		return nil, fmt.Errorf("authorization: %w", err)
	}
	return []auth.Rule{rule}, nil
}
