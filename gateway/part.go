package gateway

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"rookery/object"
)

// readPart finds the answer to a question for one part of a multipart upload. The
// part's own info, a HEAD of S3 with the part's number, says where in the object it
// lies; its bytes are a range of the object, and cached as such. The two must be of one
// version: where they are not, the cache is told of both.
func (c *Core) readPart(ctx context.Context, q *question) (*object.Answer, verdict, error) {
	var suspectPart, suspectWhole object.Version
	for range maxOpens {
		ask := q.ask(true, object.Range{})
		ask.Suspect = suspectPart
		part, err := q.reader.Open(ctx, ask)
		if err != nil {
			return nil, verdict{}, err
		}
		drop(part)
		from, size, err := placeOf(&part.Info)
		if err != nil {
			return nil, verdict{}, err
		}
		v := partVerdict(q, &part.Info, from)
		if q.headOnly || !v.hasBody() || v.from == v.to {
			part.Info.Size = size
			return part, v, nil
		}
		ask = q.ask(false, v.rng)
		ask.Key.Part, ask.Suspect = 0, suspectWhole
		found, err := q.reader.Open(ctx, ask)
		if err != nil {
			return nil, verdict{}, err
		}
		if found.Info.ETag == part.Info.ETag && found.Info.Size == size && found.Offset == v.from && found.Length == v.to-v.from {
			if count := part.Info.Get(partsCount); count != "" {
				found.Info.Header = append(slices.Clone(found.Info.Header), object.Field{Name: partsCount, Value: count})
			}
			return found, v, nil
		}
		drop(found)
		suspectPart, suspectWhole = part.Info.Version, found.Info.Version
	}
	return nil, verdict{}, fmt.Errorf("part %d of %s: %w", q.key.Part, q.key.Name, object.ErrGone)
}

const partsCount = "X-Amz-Mp-Parts-Count"

// placeOf returns where in its object a part begins, and the object's size. The info
// of a part without a place is that of the whole object, as some S3s answer for the
// first part of what was uploaded as one.
func placeOf(part *object.Info) (from, size int64, err error) {
	place := part.Get("Content-Range")
	if !part.Strong() {
		return 0, 0, notImplemented // nothing would tell the part's version from the object's
	}
	if place == "" {
		return 0, part.Size, nil
	}
	span, whole, _ := strings.Cut(strings.TrimPrefix(place, "bytes "), "/")
	first, _, _ := strings.Cut(span, "-")
	from, badFrom := strconv.ParseInt(first, 10, 64)
	size, badSize := strconv.ParseInt(whole, 10, 64)
	if badFrom != nil || badSize != nil || from < 0 || from+part.Size > size {
		return 0, 0, fmt.Errorf("a part of %d bytes at %q: %w", part.Size, place, object.ErrBroken)
	}
	return from, size, nil
}

// partVerdict is a 206 wherever the conditions let it be one.
func partVerdict(q *question, part *object.Info, from int64) verdict {
	if status := q.conditions.precondition(part); status != http.StatusOK {
		return verdict{status: status}
	}
	if part.Size == 0 {
		return verdict{status: http.StatusOK}
	}
	return verdict{
		status: http.StatusPartialContent, from: from, to: from + part.Size,
		rng: object.Range{Kind: object.FromTo, First: from, Last: from + part.Size - 1},
	}
}
