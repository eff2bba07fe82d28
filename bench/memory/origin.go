package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"rookery/internal/pattern"
)

// origin is as much of an S3 as a node asks for: HEAD and ranged, conditional
// GETs (http.ServeContent) of objects that are made as they are read.
type origin struct {
	url    string
	sent   atomic.Int64 // bytes of bodies
	pace   pace
	server *http.Server
	done   chan error
}

// modified is every object's Last-Modified.
var modified = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func startOrigin(o options) (*origin, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &origin{url: "http://" + ln.Addr().String(), pace: pace{bytesPerSecond: o.originMiB * mib}, done: make(chan error, 1)}
	objects := make(map[string]pattern.Object, o.objects+o.smalls())
	for n := range o.objects {
		objects[pathOf(o.largeAt(n))] = o.largeAt(n)
	}
	for n := range o.smalls() {
		objects[pathOf(o.smallAt(n))] = o.smallAt(n)
	}
	s.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		object, ok := objects[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("ETag", `"`+object.Key+`"`)
		http.ServeContent(w, r, "", modified, &pacedBody{ReadSeeker: object.Reader(), ctx: r.Context(), origin: s})
	})}
	go func() { s.done <- s.server.Serve(ln) }()
	return s, nil
}

// Close cuts off what is being sent.
func (s *origin) Close() error {
	err := s.server.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// pacedBody is one answer's body, sent no faster than the origin's pace.
type pacedBody struct {
	io.ReadSeeker
	ctx    context.Context
	origin *origin
}

func (b *pacedBody) Read(p []byte) (int, error) {
	n, err := b.ReadSeeker.Read(p)
	b.origin.sent.Add(int64(n))
	if late := b.origin.pace.wait(b.ctx, n); late != nil {
		return 0, late
	}
	return n, err
}
