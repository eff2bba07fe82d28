package peer

import (
	"bytes"
	"context"
	"io"
	"testing"

	"rookery/object"
)

// BenchmarkRoundTrip is one read over a warm connection, both sides in one
// process, the owner's bytes in memory.
func BenchmarkRoundTrip(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int64
	}{{"4KiB", 4 << 10}, {"64KiB", 64 << 10}, {"1MiB", 1 << 20}} {
		b.Run(size.name, func(b *testing.B) {
			o := testObject(size.bytes)
			info, data := infoOf(o), o.Bytes(0, size.bytes)
			client, _ := startPair(b, func(context.Context, *object.Ask) (*object.Answer, error) {
				return &object.Answer{
					Info: info, Length: size.bytes, Source: object.SourceHot, Outcome: object.Hit,
					Body: io.NopCloser(bytes.NewReader(data)),
				}, nil
			})
			ask := &object.Ask{Key: keyOf(o)}
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			b.SetBytes(size.bytes)
			b.ReportAllocs()
			for b.Loop() {
				a, err := client.Open(ctx, "owner", ask)
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, a.Body); n != size.bytes || err != nil {
					b.Fatal(n, err)
				}
				a.Body.Close()
			}
		})
	}
}
