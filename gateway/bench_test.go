package gateway_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"rookery/gateway"
	"rookery/object"
)

// hotNode gives every ask the same bytes from memory, as the hot set does.
type hotNode struct {
	gateway.Reader // nobody lists
	info           object.Info
	body           []byte
}

func (n *hotNode) Open(context.Context, *object.Ask) (*object.Answer, error) {
	body := &hotBody{}
	body.Reset(n.body)
	return &object.Answer{Info: n.info, Body: body, Length: int64(len(n.body)), Source: object.SourceHot, Outcome: object.Hit, TTL: time.Minute}, nil
}

type hotBody struct{ bytes.Reader }

func (*hotBody) Close() error { return nil }

func benchmarkSizes(b *testing.B, run func(b *testing.B, core *gateway.Core)) {
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
		b.Run(strconv.Itoa(size>>10)+"K", func(b *testing.B) {
			node := &hotNode{body: make([]byte, size), info: object.Info{
				Size: int64(size), ETag: `"d41d8cd98f00b204e9800998ecf8427e"`, LastModified: modified, Validated: time.Now(),
				Header: []object.Field{{Name: "Content-Type", Value: "image/png"}, {Name: "Cache-Control", Value: "max-age=60"}, {Name: "X-Amz-Version-Id", Value: "1"}},
			}}
			core, err := gateway.New(gateway.Options{Reader: node, Policy: gateway.Policy{Routes: []gateway.Route{{Bucket: "public", PathPrefix: "/public"}}}})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			run(b, core)
		})
	}
}

// BenchmarkHitCore is a hit through the core alone.
func BenchmarkHitCore(b *testing.B) {
	benchmarkSizes(b, func(b *testing.B, core *gateway.Core) {
		r := gateway.Request{Method: "GET", Target: "/public/a/b/c.png", Host: "localhost", Header: http.Header{}}
		for b.Loop() {
			if err := core.Serve(b.Context(), &r).Send(b.Context(), io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkHitHTTP is a hit over loopback: client, net/http and core in one.
func BenchmarkHitHTTP(b *testing.B) {
	benchmarkSizes(b, func(b *testing.B, core *gateway.Core) {
		server := httptest.NewServer(core.Handler())
		defer server.Close()
		transport := &http.Transport{DisableCompression: true}
		defer transport.CloseIdleConnections()
		r := requestWith(b.Context(), b, server.URL+"/public/a/b/c.png")
		for b.Loop() {
			res, err := transport.RoundTrip(r)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				b.Fatal(err)
			}
			res.Body.Close()
		}
	})
}

// nullWriter is a net/http response without a connection.
type nullWriter struct{ header http.Header }

func (n *nullWriter) Header() http.Header            { return n.header }
func (*nullWriter) Write(p []byte) (int, error)      { return len(p), nil }
func (*nullWriter) WriteHeader(int)                  {}
func (*nullWriter) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkHitEngine is a hit through the core and its net/http engine, without
// what net/http itself costs.
func BenchmarkHitEngine(b *testing.B) {
	benchmarkSizes(b, func(b *testing.B, core *gateway.Core) {
		handler := core.Handler()
		r := httptest.NewRequest(http.MethodGet, "/public/a/b/c.png", nil)
		w := &nullWriter{header: http.Header{}}
		for b.Loop() {
			clear(w.header)
			handler.ServeHTTP(w, r)
		}
	})
}
