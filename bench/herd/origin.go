package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rookery/internal/pattern"
)

// chunkBytes is the unit in which a node fetches.
const chunkBytes = mib

// modified is every object's Last-Modified.
var modified = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// origin is as much of an S3 as a node asks for, and counts what it is asked.
type origin struct {
	url     string
	objects map[string]*counted // by path
	server  *http.Server
	done    chan error
}

// counted is an object and how often it was asked for.
type counted struct {
	object pattern.Object
	body   []byte
	sent   atomic.Int64

	mu     sync.Mutex
	asked  asked
	chunks []int // how often each was asked for
}

// asked is what the origin was asked for of one object.
type asked struct {
	heads, gets    int
	fetched        int   // chunks asked for at least once
	again          int   // chunks asked for more than once
	most           int   // how often the one that was asked for most often
	sentBytes      int64 // of bodies
	unconditional  int   // GETs without If-Match
	wholeOrStrange int   // GETs whose Range is not one plain range
}

func startOrigin(objects []pattern.Object) (*origin, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &origin{url: "http://" + ln.Addr().String(), objects: make(map[string]*counted), done: make(chan error, 1)}
	for _, o := range objects {
		s.objects[pathOf(o)] = &counted{
			object: o, body: o.Bytes(0, o.Size), chunks: make([]int, (o.Size+chunkBytes-1)/chunkBytes),
		}
	}
	s.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: s}
	go func() { s.done <- s.server.Serve(ln) }()
	return s, nil
}

// ServeHTTP counts a request and answers it.
func (s *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, ok := s.objects[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	c.count(r)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"`+c.object.Key+`"`)
	http.ServeContent(&countingWriter{w, &c.sent}, r, "", modified, bytes.NewReader(c.body))
}

// count takes a request for the chunks that its Range touches.
func (c *counted) count(r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Method == http.MethodHead {
		c.asked.heads++
		return
	}
	c.asked.gets++
	if r.Header.Get("If-Match") == "" {
		c.asked.unconditional++
	}
	from, to := int64(0), c.object.Size-1
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil {
		c.asked.wholeOrStrange++
	}
	for n := from / chunkBytes; n <= min(to, c.object.Size-1)/chunkBytes; n++ {
		c.chunks[n]++
	}
}

// counts tells what the origin was asked for of an object.
func (s *origin) counts(object pattern.Object) asked {
	c := s.objects[pathOf(object)]
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.asked
	a.sentBytes, a.most = c.sent.Load(), slices.Max(c.chunks)
	for _, times := range c.chunks {
		if times > 0 {
			a.fetched++
		}
		if times > 1 {
			a.again++
		}
	}
	return a
}

// Close cuts off what is being sent.
func (s *origin) Close() error {
	err := s.server.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

type countingWriter struct {
	http.ResponseWriter
	sent *atomic.Int64
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.sent.Add(int64(n))
	return n, err
}
