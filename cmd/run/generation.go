package run

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"rookery/admin"
	"rookery/config"
	"rookery/gateway"
	"rookery/node"
	"rookery/origin"
)

// generation is all that one configuration has brought about and the next may replace.
// Immutable.
type generation struct {
	number  uint64 // the first is 1
	cfg     *config.Config
	origins map[string]*origin.Origin // by the bucket's name
	admin   *admin.Settings
	end     context.CancelFunc // of what its policy has started
}

// now is the generation in use.
func (n *Node) now() *generation { return n.live.Load() }

// draft is a generation that is whole, and in use nowhere yet.
type draft struct {
	*generation
	opened  []*origin.Origin // of its origins, those that are its own
	buckets *node.Buckets
	policy  gateway.Prepared
}

// draft makes the generation after the one in use. With an error it leaves nothing
// behind.
func (n *Node) draft(ctx context.Context, cfg *config.Config) (*draft, error) {
	d := &draft{generation: &generation{number: n.now().number + 1, cfg: cfg, admin: settingsOf(cfg)}}
	err := n.draftOrigins(ctx, d)
	if err == nil {
		d.buckets = n.node.Prepare(bucketsOf(d.generation))
		err = n.draftPolicy(d)
	}
	if err != nil {
		d.drop()
		return nil, err
	}
	return d, nil
}

// draftOrigins opens an origin for each bucket that has none, or another one. The others
// keep theirs, with its connections and what its breaker knows.
func (n *Node) draftOrigins(ctx context.Context, d *draft) error {
	before := n.now()
	d.origins = make(map[string]*origin.Origin, len(d.cfg.Buckets))
	for i := range d.cfg.Buckets {
		b := &d.cfg.Buckets[i]
		if o := before.origins[b.Name]; o != nil && sameOrigin(before.cfg.Buckets, b) {
			d.origins[b.Name] = o
			continue
		}
		o, err := origin.Open(ctx, care(&b.S3), n.places(b)...)
		if err != nil {
			return fmt.Errorf("bucket %s: %w", b.Name, err)
		}
		d.origins[b.Name], d.opened = o, append(d.opened, o)
	}
	return nil
}

// sameOrigin reports whether a bucket is asked for at S3 as it was.
func sameOrigin(before []config.Bucket, b *config.Bucket) bool {
	for i := range before {
		if before[i].Name != b.Name {
			continue
		}
		was, is := before[i].S3, b.S3
		was.Care.Retry, is.Care.Retry = config.Retry{}, config.Retry{} // the node's own
		return reflect.DeepEqual(was, is)
	}
	return false
}

func (n *Node) draftPolicy(d *draft) error {
	own, end := context.WithCancel(context.Background())
	d.end = end
	policy, err := n.policyOf(own, d.cfg)
	if err != nil {
		return err
	}
	policy.Reader = d.buckets
	d.policy, err = n.core.Prepare(policy)
	return err
}

// drop ends what a draft has begun that is not put into use.
func (d *draft) drop() {
	if d.end != nil {
		d.end()
	}
	for _, o := range d.opened {
		o.Close()
	}
}

// bucketsOf is what the node needs to know of the buckets.
func bucketsOf(g *generation) map[string]node.Bucket {
	all := make(map[string]node.Bucket, len(g.cfg.Buckets))
	for i := range g.cfg.Buckets {
		b := &g.cfg.Buckets[i]
		all[b.Name] = node.Bucket{
			Origin: g.origins[b.Name], Place: b.Place(), Freshness: b.Freshness, Retry: node.Retry(b.S3.Care.Retry),
			TagHeaders: b.TagHeaders, StaleWithoutLease: b.StaleWithoutLease,
		}
	}
	return all
}

func settingsOf(cfg *config.Config) *admin.Settings {
	names := make([]string, len(cfg.Buckets))
	for i, b := range cfg.Buckets {
		names[i] = b.Name
	}
	return admin.NewSettings(string(cfg.Admin.Token), names, cfg.ByS3Bucket())
}

// begin is the first generation: nothing of it is open yet.
func (n *Node) begin(cfg *config.Config) {
	n.live.Store(&generation{number: 1, cfg: cfg, admin: settingsOf(cfg), origins: map[string]*origin.Origin{}, end: func() {}})
}

// openOrigins opens those of the first generation.
func (n *Node) openOrigins(ctx context.Context) error {
	d := &draft{generation: &generation{cfg: n.cfg}}
	err := n.draftOrigins(ctx, d)
	if err != nil {
		d.drop()
		return err
	}
	first := *n.now()
	first.origins = d.origins
	n.live.Store(&first)
	for _, o := range d.origins {
		o.Show()
	}
	n.opened("origins", func(context.Context) error {
		for _, o := range n.now().origins {
			o.Close()
		}
		return nil
	})
	return nil
}

// openPolicy makes the first generation's.
func (n *Node) openPolicy() (gateway.Policy, error) {
	own, end := context.WithCancel(context.Background())
	policy, err := n.policyOf(own, n.cfg)
	if err != nil {
		end()
		return policy, err
	}
	policy.Reader = n.node.Buckets()
	first := *n.now()
	first.end = end
	n.live.Store(&first)
	n.opened("policy", func(context.Context) error { n.now().end(); return nil })
	return policy, nil
}

var errNoFile = errors.New("this node has no file to take anew")
