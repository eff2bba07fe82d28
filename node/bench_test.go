package node_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"rookery/internal/pattern"
	"rookery/node"
	"rookery/object"
	"rookery/purge"
)

// benchmarkHit reads an object that is held already, as a gateway does: into one
// buffer. As many prefixes have been purged since it was read, which are not its own.
func benchmarkHit(b *testing.B, size int64, source object.Source, floors int) {
	o := pattern.Object{Bucket: bucket, Key: "k", Version: "1", Size: size}
	info := infoOf(o, `"x"`, object.Field{Name: "Cache-Control", Value: "public, max-age=3600"}, object.Field{Name: "Content-Type", Value: "image/png"})
	state := member(100)
	n := newAlone(b, &fakeOrigin{get: func(_ context.Context, f object.Fetch) (*object.Fetched, error) {
		return fetched(o, info, f), nil
	}}, func(o *node.Options) { o.Purges = state })
	ask, p := get("k"), make([]byte, 256<<10)
	read := func() object.Source {
		a, err := n.Open(context.Background(), ask)
		if err != nil {
			b.Fatal(err)
		}
		defer a.Body.Close()
		for err == nil {
			_, err = a.Body.Read(p)
		}
		if err != io.EOF {
			b.Fatal(err)
		}
		return a.Source
	}
	read()
	n.flightsEnd(b)
	if got := read(); got != source {
		b.Fatalf("from %v, want %v", got, source)
	}
	for i := range floors {
		apply(state, false, purge.Scope{Kind: purge.Prefix, Bucket: bucket, Name: fmt.Sprintf("k%d/", i)})
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		read()
	}
}

func BenchmarkHotHit4K(b *testing.B)            { benchmarkHit(b, 4<<10, object.SourceHot, 0) }
func BenchmarkHotHit4KUnderFloors(b *testing.B) { benchmarkHit(b, 4<<10, object.SourceHot, 10_000) }
func BenchmarkDiskHit1M(b *testing.B)           { benchmarkHit(b, 1<<20, object.SourceDisk, 0) }
