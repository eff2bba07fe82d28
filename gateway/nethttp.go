package gateway

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"rookery/object"
)

// The server's bounds. There is none on a whole answer: 5 TiB take their time.
const (
	readHeaderTimeout = 10 * time.Second
	// idleTimeout is longer than load balancers keep an idle connection (60 s is
	// usual), so that it is they who close it.
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 << 10
	// maxStreams is the most requests under way on one HTTP/2 connection.
	maxStreams = 128
	// streamBuffer is the least that HTTP/2 has for bodies of requests, which are
	// refused.
	streamBuffer = 64 << 10
	// stallTimeout cuts off a client that takes nothing at all. Every piece that
	// it takes gives it as long again.
	stallTimeout = time.Minute
	// stallPieceBytes is the most that one deadline has to cover.
	stallPieceBytes = 1 << 20
)

// ServerOptions are the parts of a server. All may be left out.
type ServerOptions struct {
	// Log gets what net/http itself complains about, at debug level, since clients
	// cause it.
	Log *slog.Logger
	// TLS, best of a Certificate: the server speaks HTTP/2 and HTTP/1.1 over it. nil:
	// HTTP/1.1 in clear.
	TLS *tls.Config
}

// NewServer returns a net/http server for a Core's Handler; the caller runs it with
// Serve, on a listener of Listener, and shuts it down.
func NewServer(h http.Handler, o ServerOptions) *http.Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnContext:       withBundle,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		Protocols:         new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReceiveBufferPerStream:     streamBuffer,
			MaxReceiveBufferPerConnection: streamBuffer,
			SendPingTimeout:               readHeaderTimeout,
			WriteByteTimeout:              stallTimeout,
		},
		TLSConfig: o.TLS,
		// OPTIONS * is for the core to refuse like every other method.
		DisableGeneralOptionsHandler: true,
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(o.TLS != nil)
	return s
}

// Serve runs a server of NewServer until it is shut down.
func Serve(s *http.Server, ln net.Listener) error {
	if s.TLSConfig != nil {
		return s.ServeTLS(ln, "", "")
	}
	return s.Serve(ln)
}

// Handler returns the net/http engine. It reads the raw RequestURI and must not
// stand behind a ServeMux, which cleans paths. net/http answers a target that it
// cannot read (as "/%zz") itself, with a plain 400.
func (c *Core) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := Request{Method: r.Method, Target: r.RequestURI, Host: r.Host, Header: r.Header, Remote: r.RemoteAddr, Secure: r.TLS != nil}
		a := c.Serve(r.Context(), &request)
		setHeader(w.Header(), a.Header)
		out := &patientWriter{w: w, bundle: bundleOf(r, a)}
		if a.length == 0 {
			out.extend() // with a body, its first piece does
		}
		out.bundle.hold()
		w.WriteHeader(a.Status)
		if err := a.Send(r.Context(), out); err != nil {
			panic(http.ErrAbortHandler) // breaks the connection off; Send has logged why
		}
		if out.bundle != nil {
			out.Flush()
		}
	})
}

// setHeader copies the block into h. All values share one array.
func setHeader(h http.Header, fields []object.Field) {
	values := make([]string, len(fields))
	for i, f := range fields {
		values[i] = f.Value
		if earlier, repeats := h[f.Name]; repeats {
			h[f.Name] = append(earlier, f.Value)
			continue
		}
		h[f.Name] = values[i : i+1 : i+1]
	}
}

// patientWriter waits for a slow client, and not for one that has stopped.
type patientWriter struct {
	w      http.ResponseWriter
	bundle *bundleConn // nil where nothing is held back
}

// extend gives the client another stallTimeout, by the kernel's clock. A writer
// that knows no deadlines goes without.
func (p *patientWriter) extend() {
	if w, ok := p.w.(interface{ SetWriteDeadline(time.Time) error }); ok {
		_ = w.SetWriteDeadline(time.Now().Add(stallTimeout)) // a connection that takes none is a dead one
	}
}

func (p *patientWriter) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		piece := b[n:min(n+stallPieceBytes, len(b))]
		var wrote int
		p.extend()
		wrote, err = p.w.Write(piece)
		n += wrote
	}
	return n, err
}

// Flush sends what net/http still holds, and what was held together.
func (p *patientWriter) Flush() {
	if w, ok := p.w.(http.Flusher); ok {
		w.Flush()
	}
	_ = p.bundle.release() // a dead connection shows at the next write
}

// ReadFrom keeps net/http's way to sendfile open for a piece of a file.
func (p *patientWriter) ReadFrom(r io.Reader) (n int64, err error) {
	to, ok := p.w.(io.ReaderFrom)
	piece, limited := r.(*io.LimitedReader)
	if !ok || !limited {
		return io.Copy(writerOnly{p}, r)
	}
	for piece.N > 0 && err == nil {
		next := io.LimitedReader{R: piece.R, N: min(piece.N, stallPieceBytes)}
		want := next.N
		var got int64
		p.extend()
		got, err = to.ReadFrom(&next)
		n, piece.N = n+got, piece.N-got
		if got < want {
			break
		}
	}
	return n, err
}

// writerOnly hides ReadFrom from io.Copy.
type writerOnly struct{ io.Writer }
