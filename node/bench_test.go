package node_test

import (
	"context"
	"io"
	"testing"

	"rookery/internal/pattern"
	"rookery/object"
)

// benchmarkHit reads an object that is held already, as a gateway does: into one
// buffer.
func benchmarkHit(b *testing.B, size int64, source object.Source) {
	o := pattern.Object{Bucket: bucket, Key: "k", Version: "1", Size: size}
	info := infoOf(o, `"x"`, object.Field{Name: "Cache-Control", Value: "public, max-age=3600"}, object.Field{Name: "Content-Type", Value: "image/png"})
	n := newAlone(b, &fakeOrigin{get: func(_ context.Context, f object.Fetch) (*object.Fetched, error) {
		return fetched(o, info, f), nil
	}})
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
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		read()
	}
}

func BenchmarkHotHit4K(b *testing.B)  { benchmarkHit(b, 4<<10, object.SourceHot) }
func BenchmarkDiskHit1M(b *testing.B) { benchmarkHit(b, 1<<20, object.SourceDisk) }
