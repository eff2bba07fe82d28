package run

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/admin"
	"rookery/config"
)

// lingers is how long what a policy has started goes on after the next one has taken its
// place: requests that began with it may still be asking for who sent them.
const lingers = 30 * time.Second

// reloads lets one reload pass at a time, and counts them. The node's end takes the turn
// and keeps it.
type reloads struct {
	turn         chan struct{} // holds one while nobody has it, and the node has started
	done, failed *metrics.Counter
	last         atomic.Int64 // when one has succeeded: seconds since 1970
}

func (r *reloads) begin(n *Node) {
	r.turn = make(chan struct{}, 1)
	r.done = n.metrics.NewCounter(`rookery_config_reloads_total{result="success"}`)
	r.failed = n.metrics.NewCounter(`rookery_config_reloads_total{result="failure"}`)
	r.last.Store(time.Now().Unix())
	n.metrics.NewGauge("rookery_config_generation", func() float64 { return float64(n.now().number) })
	n.metrics.NewGauge("rookery_config_last_reload_success_timestamp_seconds", func() float64 { return float64(r.last.Load()) })
}

// Reload takes the configuration of Options.Load. It waits for one that is under way.
// The error says why it was refused; then nothing has changed.
func (n *Node) Reload(ctx context.Context) error {
	select {
	case <-n.reloads.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { n.reloads.turn <- struct{}{} }()
	_, err := n.reload(ctx)
	return err
}

// tryReload is Reload for who is better told that another is under way.
func (n *Node) tryReload(ctx context.Context) (admin.Reloaded, error) {
	select {
	case <-n.reloads.turn:
	default:
		return admin.Reloaded{}, admin.ErrReloading
	}
	defer func() { n.reloads.turn <- struct{}{} }()
	return n.reload(ctx)
}

func (n *Node) reload(ctx context.Context) (admin.Reloaded, error) {
	changed, err := n.take(ctx)
	if err != nil {
		n.reloads.failed.Inc()
		n.log.Error("configuration refused, the former stays in use", "generation", n.now().number, "err", err)
		return admin.Reloaded{}, err
	}
	n.reloads.done.Inc()
	n.reloads.last.Store(time.Now().Unix())
	n.log.Info("configuration in use", "generation", n.now().number, "changed", changed)
	return admin.Reloaded{Generation: n.now().number, Changed: changed}, nil
}

// take reads the configuration, makes all of it ready, and only then puts it into use.
// The turn is the caller's.
func (n *Node) take(ctx context.Context) (changed []string, err error) {
	if n.options.Load == nil {
		return nil, errNoFile
	}
	cfg, warnings, err := n.options.Load()
	if err != nil {
		return nil, err
	}
	changed, fixed := config.Compare(n.now().cfg, cfg)
	if len(fixed) > 0 {
		return nil, fmt.Errorf("a reload cannot change %s: restart the node for that, or put back what was there", strings.Join(fixed, ", "))
	}
	d, err := n.draft(ctx, cfg)
	if err != nil {
		return nil, err
	}
	LogWarnings(n.log, warnings)
	n.use(d)
	return changed, nil
}

// use puts a draft into the place of what is in use. None of it can fail. A client's
// request takes all that it needs with the gateway's policy, its buckets too: so the
// order matters to nobody but other nodes, who find a bucket before its first client does.
func (n *Node) use(d *draft) {
	before := n.now()
	for name, o := range before.origins {
		if d.origins[name] != o {
			o.Hide()
		}
	}
	for _, o := range d.opened {
		o.Show()
	}
	n.live.Store(d.generation)
	most := d.cfg.Server.MaxConcurrentRequests
	n.node.Use(d.buckets)
	n.node.Bound(waiting(most))
	if n.peers != nil {
		n.peers.Bound(2*most, most)
	}
	n.core.Use(d.policy)
	if n.options.Level != nil {
		n.options.Level.Set(d.cfg.Log.Level)
	}
	n.retire(before, d.generation)
}

// retire ends what the former generation alone has used, as those who began with it let go.
func (n *Node) retire(before, now *generation) {
	n.retired.Go(func() {
		defer before.end()
		for name, o := range before.origins {
			if now.origins[name] != o {
				o.Close()
			}
		}
		select {
		case <-time.After(lingers):
		case <-n.closing:
		}
	})
}

// openReloads lets reloads pass until the node closes, which waits for one under way.
func (n *Node) openReloads(context.Context) error {
	n.reloads.turn <- struct{}{}
	n.opened("reloads", func(context.Context) error {
		<-n.reloads.turn // and nobody gets it any more
		close(n.closing)
		n.retired.Wait()
		return nil
	})
	return nil
}

// Config is the configuration in use. It is not to be changed.
func (n *Node) Config() *config.Config { return n.now().cfg }

// LogWarnings logs what a configuration was warned of.
func LogWarnings(log *slog.Logger, warnings []config.Warning) {
	for _, w := range warnings {
		log.Warn("configuration", "at", fmt.Sprintf("%s:%d:%d", w.File, w.Line, w.Column), "warning", w.Message)
	}
}
