package peer

import (
	"cmp"
	"container/list"
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
	"rookery/turns"
)

// Handler answers what other nodes ask, from this node alone: it never asks a
// third one.
type Handler interface {
	// OpenLocal answers as object.Answer says; the server closes the Body. ctx is
	// done when the asker is gone or has no time left, or the server closes, and
	// must then wake a waiting OpenLocal and a waiting Read of the Body. In an
	// answer to a pinned ask, Info.Version and Info.Note must be set. It is called
	// concurrently.
	OpenLocal(ctx context.Context, ask *object.Ask) (*object.Answer, error)
}

// ServerOptions configure a Server. Listener, Identity, Self, Member and Handler
// must be set.
type ServerOptions struct {
	Listener    net.Listener // plain TCP; the server speaks TLS on it, and closes it
	Identity    *Identity
	Self        string // this node's name
	Fingerprint string // of the ring's fixed parameters
	// CouncilID returns the council that this node belongs to, zero for none: nodes
	// of two councils do not read from each other. It must not block. nil: none.
	CouncilID func() [16]byte
	// Member reports whether a node of that name belongs to the cluster. It is
	// asked at each handshake and for each ask, and must not block.
	Member  func(node string) bool
	Handler Handler
	// Council takes over a connection of the council's protocol, and closes it. It
	// returns when it needs its caller no more, or soon after the connection has
	// ended; a server that closes ends those that it waits for. node is who calls, as
	// its certificate proves: whether it is a member is the council's to know. nil:
	// they are closed.
	Council func(conn net.Conn, node string)

	MaxConns int // connections of nodes beyond it are closed at once; 0: 4096
	// MaxHandshakes bounds the connections whose other end has not yet shown who it is.
	// One more ends the oldest of them: strangers that say nothing keep nobody out.
	// 0: 1024.
	MaxHandshakes int
	MaxAnswers    int           // asks beyond so many under way are object.ErrBusy at once; 0: no bound
	BufferBytes   int64         // beyond it answers get small buffers; 0: no bound
	StallTimeout  time.Duration // for a handshake, and for the asker to take a frame; 0: 30 s
	IdleTimeout   time.Duration // how long a connection may carry no ask; 0: 5 min

	// Turns are waited for by large bodies; nil: none waits.
	Turns *turns.Turns

	Log     *slog.Logger // nil: none
	Metrics *metrics.Set // one Server a Set; nil: private

	beat time.Duration // tests: another beatInterval
}

// beatInterval is how often an owner that waits says so. The client's FirstByte
// must be several times as long.
const beatInterval = 250 * time.Millisecond

// Server answers other nodes on one listener.
type Server struct {
	opts     ServerOptions
	refusals *refusals
	buffers  *buffers
	answers  atomic.Int64 // under way
	// The bounds of ServerOptions, as Bound last set them.
	maxConns, maxAnswers atomic.Int64
	figures              *figures
	full                 *metrics.Counter
	shed                 *metrics.Counter
	dropped              *metrics.Counter

	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	draining chan struct{} // closed by Shutdown
	drain    func()
	done     chan struct{} // closed when no goroutine is left

	mu       sync.Mutex
	sessions map[*session]struct{}
	nodes    int        // those that have shown who they are
	shaking  *list.List // of those that have not shown who they are, the oldest first
}

// Serve starts to answer on the listener. The caller ends it with Shutdown or
// Close.
func Serve(o ServerOptions) *Server {
	o.MaxConns = cmp.Or(o.MaxConns, 4096)
	o.MaxHandshakes = cmp.Or(o.MaxHandshakes, 1024)
	o.beat = cmp.Or(o.beat, beatInterval)
	o.StallTimeout = cmp.Or(o.StallTimeout, 30*time.Second)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 5*time.Minute)
	o.CouncilID = orNone(o.CouncilID)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	o.Metrics = privateSet(o.Metrics)
	s := &Server{
		opts:     o,
		refusals: newRefusals(time.Now, o.Log),
		buffers:  newBuffers(o.BufferBytes, "server", o.Metrics),
		full:     o.Metrics.NewCounter("rookery_peer_connections_rejected_total"),
		shed:     o.Metrics.NewCounter(`rookery_limits_hit_total{limit="peer_answers"}`),
		dropped:  o.Metrics.NewCounter("rookery_peer_handshakes_dropped_total"),
		draining: make(chan struct{}),
		done:     make(chan struct{}),
		sessions: make(map[*session]struct{}),
		shaking:  list.New(),
	}
	s.Bound(o.MaxConns, o.MaxAnswers)
	s.figures = newFigures(o.Metrics, "server", func() float64 { return float64(s.size()) })
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.drain = sync.OnceFunc(func() {
		close(s.draining)
		o.Listener.Close()
	})
	go s.run()
	return s
}

// Addr returns the listener's address.
func (s *Server) Addr() net.Addr { return s.opts.Listener.Addr() }

// Bound replaces MaxConns and MaxAnswers. What is under way goes on.
func (s *Server) Bound(conns, answers int) {
	s.maxConns.Store(int64(conns))
	s.maxAnswers.Store(int64(answers))
}

// Shutdown accepts no more connections and no more asks, and returns when the
// answers under way are complete. If ctx ends first it cuts them short, still
// waits for all goroutines, and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.drain()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		s.abort()
		<-s.done
		return ctx.Err()
	}
}

// Close cuts all answers short and waits for all goroutines.
func (s *Server) Close() error {
	s.drain()
	s.abort()
	<-s.done
	return nil
}

func (s *Server) abort() {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	for session := range s.sessions {
		session.wire.abort()
	}
}

func (s *Server) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// run accepts connections until the listener is closed, and waits for all.
func (s *Server) run() {
	defer close(s.done)
	defer s.cancel()
	var sessions sync.WaitGroup
	defer sessions.Wait()
	var pause time.Duration
	for {
		raw, err := s.opts.Listener.Accept()
		if err != nil {
			// Out of file descriptors, most likely: others will be closed.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			if !s.wait(pause) {
				return
			}
			s.opts.Log.Warn("accept a peer", "err", err)
			continue
		}
		pause = 0
		session := newSession(s, raw)
		if !s.admit(session) {
			s.full.Inc()
			raw.Close()
			continue
		}
		sessions.Go(func() {
			defer s.leave(session)
			session.run()
		})
	}
}

// wait is false as soon as the server drains.
func (s *Server) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.draining:
		return false
	case <-timer.C:
		return true
	}
}

func (s *Server) admit(one *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nodes >= int(s.maxConns.Load()) || s.ctx.Err() != nil {
		return false
	}
	s.sessions[one] = struct{}{}
	one.shaking = s.shaking.PushBack(one)
	if s.shaking.Len() > s.opts.MaxHandshakes {
		oldest := s.shaking.Front()
		s.shaking.Remove(oldest)
		oldest.Value.(*session).wire.abort()
		s.dropped.Inc()
	}
	return true
}

// known says that the other end of a session is a node with a certificate. It is false
// if there are too many of those.
func (s *Server) known(session *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shaking.Remove(session.shaking)
	if s.nodes >= int(s.maxConns.Load()) {
		s.full.Inc()
		return false
	}
	s.nodes++
	session.counted = true
	return true
}

func (s *Server) leave(session *session) {
	if !session.handedOver {
		session.wire.abort()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, session)
	s.shaking.Remove(session.shaking)
	if session.counted {
		s.nodes--
	}
}
