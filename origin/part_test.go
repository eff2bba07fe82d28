package origin

import (
	"errors"
	"net/http"
	"testing"

	"rookery/internal/s3test"
	"rookery/object"
)

func TestHeadOfAPart(t *testing.T) {
	s := script(t, 25, s3test.Meta{Parts: []int64{10, 10, 5}, Header: http.Header{"X-Amz-Checksum-Crc32": {"AAAAAA=="}}}, nil)
	key := s.key
	for part, want := range map[int]string{1: "bytes 0-9/25", 2: "bytes 10-19/25", 3: "bytes 20-24/25"} {
		key.Part = part
		info, err := s.Head(within(t), key, "")
		if err != nil {
			t.Fatal(err)
		}
		if info.Get("Content-Range") != want || info.Get("X-Amz-Mp-Parts-Count") != "3" || info.Get("X-Amz-Checksum-Crc32") != "" || info.ETag != s3test.ETag(s.object) {
			t.Errorf("part %d: %+v", part, info)
		}
	}
	key.Part = 4
	_, err := s.Head(within(t), key, "")
	var refused *object.OriginError
	if !errors.As(err, &refused) || refused.Status != 416 || refused.Code != "InvalidPartNumber" {
		t.Errorf("part 4: %v", err)
	}
}

func TestHeadOfAPartThatIsNone(t *testing.T) {
	s := script(t, 25, s3test.Meta{Parts: []int64{10, 15}}, nil)
	for name, c := range map[string]struct {
		part   int
		header http.Header
		ok     bool
	}{
		"another length":  {2, http.Header{"Content-Range": {"bytes 10-19/25"}}, false},
		"no size":         {2, http.Header{"Content-Range": {"bytes 10-24/*"}}, false},
		"no place at all": {2, http.Header{"Content-Range": nil}, false},
	} {
		s.Script("b", "dir/k", s3test.Step{Header: c.header})
		key := s.key
		key.Part = c.part
		if _, err := s.Head(within(t), key, ""); !errors.Is(err, object.ErrBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
