package s3demo

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/zeebo/xxh3"

	"rookery/internal/pattern"
)

// The buckets that hold the samples. Any name may be made beside them.
const (
	Bucket  = "demo-public"
	Private = "demo-private" // for a route that wants tokens: this S3 gives it to everybody
)

// The subject that has a directory in Private, and the samples there are.
const (
	Subject = "ann"
	Own     = "users/ann/diary.txt"
	Others  = "users/bob/diary.txt"
)

// The keys that may write to the demo's S3, and sign for it. They are public.
const (
	AccessKey = "rookery-demo"
	SecretKey = "rookery-demo-secret"
)

// sample is an object of the demo and the headers it has beside its length.
type sample struct {
	pattern.Object
	header map[string]string
}

// modified is when every sample was last changed.
var modified = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// Samples returns the sample objects of Bucket, none of which ever changes.
func Samples() []pattern.Object {
	var all []pattern.Object
	for _, s := range samples() {
		if s.Bucket == Bucket {
			all = append(all, s.Object)
		}
	}
	return all
}

// Diary returns the sample under a name of Private, one of Own and Others.
func Diary(key string) pattern.Object { return diary(key).Object }

func diary(key string) sample {
	s := text(key, 4000, nil)
	s.Bucket = Private
	return s
}

func samples() []sample {
	return []sample{
		text("empty.txt", 0, nil),
		text("one byte.txt", 1, nil),
		text("thousand bytes.txt", 1000, map[string]string{
			"Cache-Control":       "max-age=60, stale-while-revalidate=30",
			"Content-Disposition": `attachment; filename="thousand.txt"`,
			"Content-Language":    "en",
		}),
		// No real coding: a client that knows gzip would try to decode the pattern.
		text("encoded.txt", 1000, map[string]string{"Content-Encoding": "x-pattern"}),
		binary("a+b=c.bin", 64<<10),
		binary("100%2Fliteral.bin", 256<<10+1),
		binary("ünïcödé/日本語.bin", 1<<20),
		binary("double//slash.bin", 1<<20),
		binary("/leading-slash.bin", 64<<10),
		binary("trailing-slash/", 1000),
		binary("up/../and/./down.bin", 1000),
		binary("five.bin", 5<<20+3),
		binary("big/64MiB.bin", 64<<20),
		binary("big/70MiB.bin", 70<<20),
		binary("big/256MiB.bin", 256<<20),
		diary(Own),
		diary(Others),
	}
}

func text(key string, size int64, header map[string]string) sample {
	s := binary(key, size)
	s.header["Content-Type"] = "text/plain; charset=utf-8"
	for name, value := range header {
		s.header[name] = value
	}
	return s
}

func binary(key string, size int64) sample {
	return sample{
		Object: pattern.Object{Bucket: Bucket, Key: key, Size: size},
		header: map[string]string{
			"Content-Type":       "application/octet-stream",
			"Last-Modified":      modified.Format(http.TimeFormat),
			"X-Amz-Meta-Sample":  "rookery-demo",
			"X-Amz-Meta-Pattern": fmt.Sprintf("%d", size),
		},
	}
}

// hash becomes the ETag.
func (s sample) hash() []byte {
	h := xxh3.HashString128(fmt.Sprintf("%q %d", s.Key, s.Size)).Bytes()
	return h[:]
}

func (s sample) content() *gofakes3.Content {
	return &gofakes3.Content{
		Key: s.Key, Size: s.Size, LastModified: gofakes3.NewContentTime(modified),
		ETag: `"` + hex.EncodeToString(s.hash()) + `"`, StorageClass: gofakes3.StorageStandard,
	}
}
