package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"rookery/internal/pattern"
)

// bucket is the origin's bucket and the configured one.
const bucket = "bench"

// modified is every object's Last-Modified.
var modified = time.Unix(1_750_000_000, 0)

// origin is as much of an S3 as the nodes ask for. Objects of different names have
// the same bytes, which are made once: making them costs more than sending them.
type origin struct {
	url    string
	body   []byte
	perSec float64
	server *http.Server

	mu    sync.Mutex
	asked asked
}

type asked struct {
	heads, gets int
	bytes       int64
}

func startOrigin(o options) (*origin, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	object := pattern.Object{Bucket: bucket, Key: "parts", Version: "1", Size: o.objectMiB * mib}
	s := &origin{url: "http://" + ln.Addr().String(), body: object.Bytes(0, object.Size), perSec: float64(o.perMBs) * 1e6}
	s.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: s}
	go func() { _ = s.server.Serve(ln) }() // it ends with Close
	return s, nil
}

// ServeHTTP counts a request and answers it at the connection's pace.
func (s *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if r.Method == http.MethodHead {
		s.asked.heads++
	} else {
		s.asked.gets++
	}
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"`+r.URL.Path+`"`)
	http.ServeContent(pacedWriter{w, s, time.Now(), new(int64), r.Context()}, r, "", modified, newBytes(s.body))
}

// newBytes hides WriteTo, so that a body is written in pieces.
func newBytes(b []byte) io.ReadSeeker { return io.NewSectionReader(sliceAt(b), 0, int64(len(b))) }

type sliceAt []byte

func (s sliceAt) ReadAt(p []byte, off int64) (int, error) { return copy(p, s[off:]), nil }

// pacedWriter keeps one answer to the connection's bandwidth.
type pacedWriter struct {
	http.ResponseWriter
	origin *origin
	start  time.Time
	wrote  *int64
	ctx    context.Context
}

func (w pacedWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	*w.wrote += int64(n)
	w.origin.mu.Lock()
	w.origin.asked.bytes += int64(n)
	w.origin.mu.Unlock()
	due := w.start.Add(time.Duration(float64(*w.wrote) / w.origin.perSec * float64(time.Second)))
	if wait := time.Until(due); err == nil && wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-w.ctx.Done():
			return n, fmt.Errorf("client has left: %w", w.ctx.Err())
		}
	}
	return n, err
}
