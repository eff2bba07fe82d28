package demo

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"rookery/cmd/s3demo"
	"rookery/object"
	"rookery/ring"
)

// greet prints where everything is and lines to paste. token opens the private bucket.
func greet(o Options, token string) {
	fmt.Fprintf(o.Out, "Rookery %s: %d nodes in front of an S3 origin, all on this machine.\n\n", o.Version, o.Nodes)
	for i := range o.Nodes {
		fmt.Fprintf(o.Out, "  %s   gateway http://127.0.0.1:%d/public/   admin http://127.0.0.1:%d\n", nodeName(i), o.Port+i, o.Port+adminOffset+i)
	}
	fmt.Fprintf(o.Out, "  origin   http://127.0.0.1:%d (bucket %s)\n\nSample objects:\n\n", o.Port+originOffset, s3demo.Bucket)
	for _, s := range s3demo.Samples() {
		fmt.Fprintf(o.Out, "  %9s  %s\n", size(s.Size), s.Key)
	}
	last, admin := o.Port+o.Nodes-1, o.Port+adminOffset
	small, large := pick(1<<20), pick(256<<20)
	fmt.Fprintf(o.Out, `
Try:

  # twice: MISS, then HIT, whichever node you ask
  curl -sD- -o /dev/null 'http://127.0.0.1:%[1]d%[2]s'
  curl -sD- -o /dev/null 'http://127.0.0.1:%[3]d%[2]s'

  # one byte of 256 MiB: one chunk is fetched from S3
  curl -sD- -o /dev/null -r 200000000-200000000 'http://127.0.0.1:%[3]d%[4]s'

  # a bucket that wants a token: 403 without one, and beside one's own directory
  curl -sD- -o /dev/null 'http://127.0.0.1:%[1]d/private/%[9]s'
  curl -sD- -o /dev/null -H 'Authorization: Bearer %[11]s' 'http://127.0.0.1:%[1]d/private/%[9]s'
  curl -sD- -o /dev/null -H 'Authorization: Bearer %[11]s' 'http://127.0.0.1:%[1]d/private/%[10]s'

  # who owns it, and what its owner holds of it
  curl -sH 'Authorization: Bearer %[5]s' 'http://127.0.0.1:%[6]d/admin/ring?key=public:%[7]s'
  curl -sH 'Authorization: Bearer %[5]s' 'http://127.0.0.1:%[8]d/admin/cache/info?key=public:%[7]s'
  curl -s http://127.0.0.1:%[6]d/metrics | grep ^rookery_origin

Ctrl-C ends it.
`, o.Port, path(small), last, path(large), adminToken, admin, url.QueryEscape(large), admin+owner(o, large),
		s3demo.Own, s3demo.Others, token)
}

// owner returns the number of the node that owns a sample.
func owner(o Options, key string) int {
	names := make([]string, o.Nodes)
	for i := range names {
		names[i] = nodeName(i)
	}
	first := ring.Build(names).Owners(object.Key{Bucket: "public", Name: key}, 0)[0]
	return slices.Index(names, first)
}

// pick returns the first sample of a size.
func pick(bytes int64) string {
	for _, s := range s3demo.Samples() {
		if s.Size == bytes {
			return s.Key
		}
	}
	return ""
}

// path is the request target of a sample of the public bucket, every byte but the unreserved ones
// (RFC 3986 §2.3) and the slash percent-encoded.
func path(key string) string {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"
	var b strings.Builder
	b.WriteString("/public/")
	for i := range len(key) {
		if strings.IndexByte(unreserved, key[i]) >= 0 {
			b.WriteByte(key[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", key[i])
		}
	}
	return b.String()
}

func size(bytes int64) string {
	switch {
	case bytes >= object.ChunkBytes && bytes%object.ChunkBytes == 0:
		return fmt.Sprintf("%d MiB", bytes>>20)
	case bytes >= 1<<10 && bytes%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d B", bytes)
}
