package run

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"rookery/admin"
	"rookery/certs"
	"rookery/config"
	"rookery/peer"
)

// proofs are the files by which the nodes know each other; each is nil where the
// configuration names none.
type proofs struct {
	keys  *certs.Followed[[][]byte]        // cluster.gossip_key_file
	certs *certs.Followed[*certs.Material] // cluster.peer_tls
}

// openIdentity reads what this node shows the others, and by what it knows them.
func (n *Node) openIdentity() error {
	var err error
	if n.proofs, err = n.openProofs(); err == nil {
		n.self, err = n.identity()
	}
	if err != nil {
		return fmt.Errorf("identity between nodes: %w", err)
	}
	return nil
}

func (n *Node) openProofs() (p proofs, err error) {
	c := &n.cfg.Cluster
	if c.GossipKeyFile != "" {
		p.keys, err = certs.Follow([]string{c.GossipKeyFile}, func(contents [][]byte) ([][]byte, error) {
			keys, err := config.ParseGossipKeys(contents[0])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.GossipKeyFile, err)
			}
			return keys, nil
		})
		if err != nil {
			return p, fmt.Errorf("cluster.gossip_key_file: %w", err)
		}
	}
	if t := c.PeerTLS; t != nil {
		p.certs, err = certs.OpenChecked(certs.Files(*t), func(m *certs.Material) error {
			_, err := n.identityOf(m)
			return err
		})
		if err != nil {
			return p, fmt.Errorf("cluster.peer_tls: %w", err)
		}
	}
	return p, nil
}

// gossipKeys are the keys as they are now; the first one encrypts.
func (n *Node) gossipKeys() [][]byte {
	if n.proofs.keys != nil {
		return n.proofs.keys.Value()
	}
	return [][]byte{n.cfg.Cluster.GossipKey}
}

// identity makes the identity of what the files hold now.
func (n *Node) identity() (*peer.Identity, error) {
	if n.proofs.certs != nil {
		return n.identityOf(n.proofs.certs.Value())
	}
	return peer.DeriveIdentity(n.gossipKeys(), n.cfg.Cluster.Label, n.cfg.Node.Name, time.Now)
}

func (n *Node) identityOf(m *certs.Material) (*peer.Identity, error) {
	return peer.NewIdentity(m.Cert, m.Roots, n.cfg.Cluster.Label, n.cfg.Node.Name, time.Now)
}

// followIdentity takes what changes in the files into use while the node runs. Gossip
// has new keys before anything is signed with what derives from them.
func (n *Node) followIdentity() {
	if keys := n.proofs.keys; keys != nil {
		follow(n, "gossip_keys", keys, func(all [][]byte) error {
			if err := n.cluster.SetKeys(all); err != nil {
				return err
			}
			return n.adopt()
		})
	}
	if pair := n.proofs.certs; pair != nil {
		n.metrics.NewGauge("rookery_peer_certificate_expiry_seconds", func() float64 { return time.Until(pair.Value().Expires()).Seconds() })
		follow(n, "peer_tls", pair, func(*certs.Material) error { return n.adopt() })
	}
}

// adopt makes new connections show, and know, what the files hold now. With an own PKI
// new gossip keys change nothing of it.
func (n *Node) adopt() error {
	latest, err := n.identity()
	if err != nil {
		return err
	}
	n.self.Adopt(latest)
	return nil
}

// filesEvery is how often the files are looked at.
const filesEvery = 2 * time.Second

// follow has use take each new value of files until the node closes. What cannot be taken
// is logged and counted, and what was in use stays.
func follow[T any](n *Node, files string, followed *certs.Followed[T], use func(T) error) {
	taken := n.metrics.NewCounter(fmt.Sprintf(`rookery_file_reloads_total{files=%q}`, files))
	failed := n.metrics.NewCounter(fmt.Sprintf(`rookery_file_reload_errors_total{files=%q}`, files))
	refuse := func(err error) {
		failed.Inc()
		n.log.Error("changed files are not taken, what was in use stays", "files", files, "err", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		followed.Run(ctx, cmp.Or(n.options.filesEvery, filesEvery), func(v T) {
			if err := use(v); err != nil {
				refuse(err)
				return
			}
			taken.Inc()
			n.log.Info("changed files are in use", "files", files)
		}, refuse)
	}()
	n.opened("watch over files: "+files, func(context.Context) error {
		cancel()
		<-done
		return nil
	})
}

// expiring is how long before its end a certificate is a reason to worry.
const expiring = 24 * time.Hour

// identityHealth tells of a certificate that needs to be renewed.
func (n *Node) identityHealth(h *admin.Health) {
	if n.proofs.certs == nil {
		return
	}
	end := n.proofs.certs.Value().Expires()
	switch left := time.Until(end); {
	case left <= 0:
		h.Reasons = append(h.Reasons, "the certificate for other nodes (cluster.peer_tls) has expired: they refuse new connections of this node, and it theirs to it")
	case left < expiring:
		h.Reasons = append(h.Reasons, fmt.Sprintf("the certificate for other nodes (cluster.peer_tls) expires at %s", end.UTC().Format(time.RFC3339)))
	}
}
