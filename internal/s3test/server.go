package s3test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Server is one scripted origin. Its methods may be called from any goroutine,
// also while it answers.
type Server struct {
	// URL is the endpoint for path style: "http://127.0.0.1:port", or the address
	// that Listen was given.
	URL string

	http    *httptest.Server
	closing chan struct{}
	once    sync.Once

	mu        sync.Mutex
	objects   map[name][]*version // newest last
	scripts   map[name][]Step
	fallback  *Step
	gates     map[name][]*Gate
	bandwidth int64
	log       []*Request
	fetches   map[name][]int
	changed   chan struct{} // closed and replaced whenever a request begins or ends
}

// name is a bucket and a key.
type name struct{ bucket, key string }

// Start returns a server that listens on loopback until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s := New()
	t.Cleanup(s.Close)
	return s
}

// New returns a server that listens on loopback. The caller closes it.
func New() *Server {
	s, err := Listen("127.0.0.1:0")
	if err != nil {
		panic(err) // as httptest does: without loopback no test can go on
	}
	return s
}

// Listen returns a server at an address of this machine, for clients in other
// network namespaces. The caller closes it.
func Listen(address string) (*Server, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s := &Server{
		closing: make(chan struct{}),
		objects: map[name][]*version{},
		scripts: map[name][]Step{},
		gates:   map[name][]*Gate{},
		fetches: map[name][]int{},
		changed: make(chan struct{}),
	}
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.http.Listener.Close() // httptest's own, on loopback
	s.http.Listener = ln
	s.http.Start()
	s.URL = s.http.URL
	return s, nil
}

// Close opens every gate, cuts every connection and waits for the answers to
// end. A second call does nothing.
func (s *Server) Close() {
	s.once.Do(func() {
		close(s.closing)
		s.http.CloseClientConnections()
		s.http.Close()
	})
}

// Limit paces every answer that begins from now on to bytesPerSecond; 0 ends it.
func (s *Server) Limit(bytesPerSecond int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bandwidth = bytesPerSecond
}
