package origin

import (
	"errors"
	"net/http"
	"testing"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
)

// TestBrokenPromises has S3 contradict the request in every way we know.
func TestBrokenPromises(t *testing.T) {
	const size = 10_000
	etag := s3test.ETag(pattern.Object{Bucket: "b", Key: "dir/k", Size: size})
	whole, part := object.Fetch{}, object.Fetch{From: 1000, To: 2000, IfMatch: etag}
	head := func(field, value string) s3test.Step { return s3test.Step{Header: http.Header{field: {value}}} }
	cases := []struct {
		name string
		step s3test.Step
		ask  object.Fetch
		want error
	}{
		{"right whole", s3test.Step{}, whole, nil},
		{"right part", s3test.Step{}, part, nil},
		{"200 to a part", s3test.Step{IgnoreRange: true}, part, object.ErrBroken},
		{"200 to a beginning", s3test.Step{IgnoreRange: true}, object.Fetch{To: 2000}, object.ErrBroken},
		{"200 to a part that is everything", s3test.Step{IgnoreRange: true}, object.Fetch{To: size}, nil},
		{"part is longer", s3test.Step{Extra: 1}, part, object.ErrBroken},
		{"part is shorter", s3test.Step{Extra: -1}, part, object.ErrBroken},
		{"part is elsewhere", head("Content-Range", "bytes 1001-2000/10000"), part, object.ErrBroken},
		{"part ends elsewhere", head("Content-Range", "bytes 1000-2000/10000"), part, object.ErrBroken},
		{"part of unknown size", head("Content-Range", "bytes 1000-1999/*"), part, object.ErrBroken},
		{"part past its size", head("Content-Range", "bytes 1000-1999/1999"), part, object.ErrBroken},
		{"part in signs", head("Content-Range", "bytes +1000-1999/10000"), part, object.ErrBroken},
		{"part in other units", head("Content-Range", "items 1000-1999/10000"), part, object.ErrBroken},
		{"part without place", s3test.Step{Header: http.Header{"Content-Range": nil}}, part, object.ErrBroken},
		{"part with two places", s3test.Step{Header: http.Header{"Content-Range": {"bytes 1000-1999/10000", "bytes 0-999/10000"}}}, part, object.ErrBroken},
		{"part without length", s3test.Step{NoLength: true}, part, object.ErrBroken},
		{"whole without length", s3test.Step{NoLength: true}, whole, object.ErrBroken},
		{"another ETag", head("Etag", `"new"`), part, object.ErrGone},
		{"no ETag", s3test.Step{Header: http.Header{"Etag": nil}}, part, object.ErrBroken},
		{"another ETag and everything", s3test.Step{IgnoreRange: true, Header: http.Header{"Etag": {`"new"`}}}, part, object.ErrGone},
		{"412", s3test.Step{Status: 412, Code: "PreconditionFailed"}, part, object.ErrGone},
		{"416 to a pinned part", s3test.Step{Status: 416, Code: "InvalidRange"}, part, object.ErrGone},
		{"204", s3test.Step{Status: 204}, whole, object.ErrBroken},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := script(t, size, s3test.Meta{}, nil)
			s.Script("b", "dir/k", c.step)
			c.ask.Key = s.key
			got, err := s.Get(within(t), c.ask)
			if !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if err != nil {
				return
			}
			defer got.Body.Close()
			if _, err := s.object.CheckReader(got.Body, got.Offset, got.Offset+got.Length); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestPartToAWholeGet(t *testing.T) {
	s := script(t, 1000, s3test.Meta{}, nil)
	s.Script("b", "dir/k", s3test.Step{Status: 206, Code: "x"})
	if _, err := s.Get(within(t), object.Fetch{Key: s.key}); !errors.Is(err, object.ErrBroken) {
		t.Error(err)
	}
}

func TestHeadWithoutLength(t *testing.T) {
	s := script(t, 1000, s3test.Meta{}, nil)
	s.Script("b", "dir/k", s3test.Step{NoLength: true})
	if info, err := s.Head(within(t), s.key, ""); !errors.Is(err, object.ErrBroken) {
		t.Error(info, err)
	}
}

// TestOverwrite is the real thing instead of a script: If-Match finds it.
func TestOverwrite(t *testing.T) {
	s := script(t, 10_000, s3test.Meta{}, nil)
	info, err := s.Head(within(t), s.key, "")
	if err != nil {
		t.Fatal(err)
	}
	s.Put(pattern.Object{Bucket: "b", Key: "dir/k", Version: "2", Size: 5000}, s3test.Meta{})
	ask := object.Fetch{Key: s.key, From: 4000, To: 6000, IfMatch: info.ETag}
	if _, err := s.Get(within(t), ask); !errors.Is(err, object.ErrGone) {
		t.Errorf("If-Match kept: %v", err)
	}
	s.Script("b", "dir/k", s3test.Step{IgnoreIfMatch: true})
	if _, err := s.Get(within(t), ask); !errors.Is(err, object.ErrGone) {
		t.Errorf("If-Match ignored: %v", err)
	}
}
