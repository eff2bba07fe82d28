// Package run wires the rooms into one node and takes it down again, in the
// reverse order. It decides nothing itself: it turns a configuration into the
// options of the rooms. Many nodes may run in one process; what belongs to the
// process alone (signals, memory limit, exit) is left to main.
package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/admin"
	"rookery/audit"
	"rookery/auth"
	"rookery/cluster"
	"rookery/config"
	"rookery/gateway"
	"rookery/node"
	"rookery/peer"
	"rookery/purge"
	"rookery/ring"
	"rookery/store"
	"rookery/turns"
)

// Options are what a configuration file does not say.
type Options struct {
	Version string // of the program
	// Stderr takes the audit log where the configuration says so; nil is none.
	Stderr io.Writer
	Log    *slog.Logger
	// Load reads the configuration anew, for a reload; nil where that is not possible.
	Load func() (*config.Config, []config.Warning, error)
	// Level is that of Log, which a reload sets; nil where it stays.
	Level *slog.LevelVar
	// Drain begins to end the process as SIGTERM does, and returns at once; nil where
	// an operator cannot ask for that.
	Drain func()
	// Loopback tunes gossip for nodes that are all on one machine.
	Loopback bool

	fingerprint string        // of the ring's scheme; tests pretend to another
	filesEvery  time.Duration // tests: another filesEvery
	// reader, in tests, stands between the gateway's guards and the buckets.
	reader func(gateway.Reader) gateway.Reader
}

// Node is one running node.
type Node struct {
	cfg     *config.Config // what it was started with; for what a reload may change see now
	options Options
	log     *slog.Logger
	metrics *metrics.Set

	store   *store.Store
	ring    *ring.Ring
	purges  *purge.State
	turns   *turns.Turns
	node    *node.Node
	core    *gateway.Core
	client  *peer.Client   // nil for a node alone
	peers   *peer.Server   // nil for a node alone
	self    *peer.Identity // nil for a node alone
	proofs  proofs
	members members
	bench   bench
	cluster *cluster.Cluster
	audit   *audit.Log // nil where none is kept
	tokens  *auth.JWT  // the last that was made; whoever makes a policy has it alone

	public, operators         net.Listener
	publicServer, adminServer *http.Server
	ready                     chan struct{} // closed when the node has its place in the ring
	stage                     atomic.Int32  // a stage, until it has
	draining                  atomic.Bool

	live    atomic.Pointer[generation]
	reloads reloads
	retired sync.WaitGroup
	closing chan struct{} // closed when the node begins to close

	closers []closer // in the order of opening
}

// closer ends one part of the node, within ctx where it can wait for readers.
type closer struct {
	what  string
	close func(ctx context.Context) error
}

// Start runs a node. It returns when the node listens; Ready says when it may
// serve. ctx bounds the start alone. What fails is an error that says what and
// where, and leaves nothing running.
func Start(ctx context.Context, cfg *config.Config, o Options) (*Node, error) {
	if o.fingerprint == "" {
		o.fingerprint = ring.Fingerprint()
	}
	n := &Node{
		cfg: cfg, options: o, log: o.Log.With("node", cfg.Node.Name), metrics: metrics.NewSet(),
		ring: new(ring.Ring), purges: purge.NewState(), ready: make(chan struct{}), closing: make(chan struct{}),
	}
	n.turns = turns.New(n.metrics)
	n.begin(cfg)
	n.reloads.begin(n)
	n.ring.Store(ring.Build(nil))
	n.metrics.NewGauge(fmt.Sprintf("rookery_build_info{version=%q,go=%q,ring=%q}", o.Version, runtime.Version(), o.fingerprint), func() float64 { return 1 })
	steps := []func(context.Context) error{
		n.openAudit, n.listen, n.openStore, n.openOrigins, n.openNode, n.joinCluster, n.joinCouncil, n.serveAdmin, n.servePublic, n.becomeReady, n.openReloads,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, n.Close(context.WithoutCancel(ctx)))
		}
	}
	return n, nil
}

// Check does as much of Start as touches no network and no data: it reads the
// files that the configuration names, and makes the origins' clients and the policy,
// for which nothing is fetched.
func Check(ctx context.Context, cfg *config.Config) error {
	n := &Node{cfg: cfg, log: slog.New(slog.DiscardHandler), metrics: metrics.NewSet()}
	n.begin(cfg)
	if !cfg.Cluster.Alone() {
		if err := n.openIdentity(); err != nil {
			return err
		}
	}
	if _, err := n.openAdminTLS(); err != nil {
		return err
	}
	over, end := context.WithCancel(ctx)
	end()
	_, _, err := n.policyOf(over, cfg)
	if err == nil {
		_, err = n.serverOptions()
	}
	return errors.Join(err, n.openOrigins(ctx), n.Close(ctx))
}

func (n *Node) opened(what string, close func(context.Context) error) {
	n.closers = append(n.closers, closer{what, close})
}

// Drain takes the node out of the ring and says that it is not ready; it goes on
// serving whoever asks. Close follows.
func (n *Node) Drain() {
	n.draining.Store(true)
	n.leaveRing()
}

// Close takes the node out of the ring, lets what it serves finish within ctx,
// and closes everything in reverse order.
func (n *Node) Close(ctx context.Context) error {
	n.draining.Store(true)
	var errs []error
	for i := len(n.closers) - 1; i >= 0; i-- {
		c := n.closers[i]
		if err := c.close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", c.what, err))
		}
	}
	n.closers = nil
	return errors.Join(errs...)
}

// PublicAddr and AdminAddr are the bound addresses of the two listeners.
func (n *Node) PublicAddr() net.Addr { return n.public.Addr() }

// AdminAddr is the address of the operators' listener.
func (n *Node) AdminAddr() net.Addr { return n.operators.Addr() }

// Ready reports whether the node may serve clients.
func (n *Node) Ready() bool { return n.joined() && !n.draining.Load() }

func (n *Node) joined() bool {
	select {
	case <-n.ready:
		return true
	default:
		return false
	}
}

// listen takes the two ports first: a port in use is the commonest failure, and
// is told before anything else has begun.
func (n *Node) listen(ctx context.Context) error {
	var lc net.ListenConfig
	for _, l := range []struct {
		what, address string
		into          *net.Listener
	}{
		{"clients (server.address, server.port)", n.cfg.Server.Listen(), &n.public},
		{"operators (admin.address, admin.port)", n.cfg.Admin.Listen(), &n.operators},
	} {
		ln, err := lc.Listen(ctx, "tcp", l.address)
		if err != nil {
			return fmt.Errorf("listen for %s: %w", l.what, err)
		}
		*l.into = ln
		n.opened(l.what, func(context.Context) error { return ignoreClosed(ln.Close()) })
	}
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (n *Node) openStore(context.Context) error {
	share := shares(n.cfg.Cache.MemoryBytes)
	s, err := store.Open(store.Options{
		Dir: filepath.Join(n.cfg.Node.DataDir, "cache"), Capacity: n.cfg.Cache.DiskBytes,
		IndexMemory: share.index, HotBytes: share.hot, Dead: n.dead, Log: n.log, Metrics: n.metrics,
	})
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	n.store = s
	n.opened("store", func(context.Context) error { return s.Close() })
	return nil
}

func (n *Node) openNode(context.Context) error {
	o := node.Options{
		Name: n.cfg.Node.Name, Store: n.store, Ring: n.ring, Purges: n.purges, Buckets: bucketsOf(n.now()),
		FlightBytes: shares(n.cfg.Cache.MemoryBytes).flights, FinishBytes: n.cfg.Cache.FinishAbandonedBytes,
		DocumentBytes: shares(n.cfg.Cache.MemoryBytes).lists,
		MaxWaiting:    waiting(n.cfg.Server.MaxConcurrentRequests),
		Log:           n.log, Metrics: n.metrics,
	}
	if !n.cfg.Cluster.Alone() {
		if err := n.openPeerClient(); err != nil {
			return err
		}
		o.Peers = n.client
	}
	var err error
	if n.node, err = node.New(o); err != nil {
		return err
	}
	n.opened("node", func(context.Context) error { return n.node.Close() })
	return nil
}

func (n *Node) servePublic(context.Context) error {
	policy, err := n.openPolicy()
	if err != nil {
		return err
	}
	o := gateway.Options{
		Reader: n.node, Policy: policy,
		BufferBytes: shares(n.cfg.Cache.MemoryBytes).buffers, Turns: n.turns, Log: n.log, AccessLog: n.log, Metrics: n.metrics, Ready: n.Ready, Audit: n.audit,
	}
	if n.core, err = gateway.New(o); err != nil {
		return err
	}
	server, err := n.serverOptions()
	if err != nil {
		return err
	}
	n.publicServer = gateway.NewServer(n.core.Handler(), server)
	n.serve("clients", n.publicServer, gateway.Listener(n.public))
	return nil
}

func (n *Node) serveAdmin(context.Context) error {
	if err := n.secureAdmin(); err != nil {
		return err
	}
	h := admin.New(n.adminOptions())
	n.adminServer = &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelDebug)}
	n.serve("operators", n.adminServer, n.operators)
	return nil
}

// serve runs an HTTP server until the node closes. Requests in progress then
// finish within the closing context; what is left is cut off.
func (n *Node) serve(who string, s *http.Server, ln net.Listener) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := gateway.Serve(s, ln); !errors.Is(err, http.ErrServerClosed) {
			n.log.Error("listener failed", "for", who, "err", err)
		}
	}()
	n.opened("listener for "+who, func(ctx context.Context) error {
		err := s.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			n.log.Warn("requests cut off at the end", "for", who)
			err = s.Close()
		}
		<-done
		return err
	})
}
