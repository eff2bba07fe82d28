package s3demo

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// Server is a running demo S3.
type Server struct {
	// URL is its endpoint, for path style.
	URL string

	http   *http.Server
	served sync.WaitGroup
}

// Start listens on address ("127.0.0.1:9000"; port 0 is any free one). The
// caller closes the server. An error names the address.
func Start(address string) (*Server, error) {
	handler, err := Handler()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the demo's S3 cannot listen on %s: the port is in use", address)
	}
	if err != nil {
		return nil, fmt.Errorf("the demo's S3 cannot listen: %w", err)
	}
	s := &Server{
		URL: "http://" + listener.Addr().String(),
		// gofakes3 writes some headers twice, which net/http would tell the world.
		http: &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)},
	}
	// Serve returns what Close made it return.
	s.served.Go(func() { _ = s.http.Serve(listener) })
	return s, nil
}

// Close cuts every connection and gives the port back.
func (s *Server) Close() error {
	err := s.http.Close()
	s.served.Wait()
	return err
}

// Handler returns the demo's S3 with nothing but the samples in it.
func Handler() (http.Handler, error) {
	b, err := newBackend()
	if err != nil {
		return nil, err
	}
	// No skew limit: a demo on a laptop with a wrong clock is still a demo.
	return front{backend: b, next: gofakes3.New(b, gofakes3.WithTimeSkewLimit(0)).Server()}, nil
}
