package object

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// RangeKind tells the three shapes of a single byte range apart.
type RangeKind uint8

// The kinds of Range. The numbers are part of the peer protocol.
const (
	Whole  RangeKind = 0 // no range: the whole body
	FromTo RangeKind = 1 // bytes=First-Last, or bytes=First- with Last = math.MaxInt64
	Suffix RangeKind = 2 // bytes=-Last: the last Last bytes
)

// Range is what a reader wants of a body whose size it may not know yet.
// The zero Range is the whole body.
type Range struct {
	Kind        RangeKind
	First, Last int64 // both inclusive, as in RFC 9110 §14.1.2
}

// Errors of ranges. ErrMalformedRange comes from ParseRange alone.
var (
	ErrMalformedRange     = errors.New("malformed Range header")
	ErrUnsatisfiableRange = errors.New("range not satisfiable")
)

// ParseRange reads a Range header (RFC 9110 §14.2). An empty header, another
// unit than bytes, and several ranges at once (which S3 does not serve) mean
// the whole body; a bytes range that breaks the grammar is ErrMalformedRange.
func ParseRange(header string) (Range, error) {
	unit, spec, ok := strings.Cut(header, "=")
	if !ok {
		if header == "" {
			return Range{}, nil
		}
		return Range{}, ErrMalformedRange
	}
	if !strings.EqualFold(strings.TrimSpace(unit), "bytes") || strings.Contains(spec, ",") {
		return Range{}, nil
	}
	first, last, ok := strings.Cut(strings.Trim(spec, " \t"), "-")
	if !ok {
		return Range{}, ErrMalformedRange
	}
	if first == "" {
		n, err := parsePosition(last)
		return Range{Kind: Suffix, Last: n}, err
	}
	a, err := parsePosition(first)
	if err != nil {
		return Range{}, err
	}
	if last == "" {
		return Range{Kind: FromTo, First: a, Last: math.MaxInt64}, nil
	}
	b, err := parsePosition(last)
	if err != nil || b < a {
		return Range{}, ErrMalformedRange
	}
	return Range{Kind: FromTo, First: a, Last: b}, nil
}

// parsePosition reads 1*DIGIT. A number too large for int64 is a position past
// the end of anything, not an error.
func parsePosition(s string) (int64, error) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, ErrMalformedRange
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return math.MaxInt64, nil
	}
	return n, nil
}

// Resolve returns the half-open interval [from, to) that the range means for a
// body of size bytes, or ErrUnsatisfiableRange (RFC 9110 §14.1.2). Any range
// but Whole of an empty body is unsatisfiable, as it is at S3.
func (r Range) Resolve(size int64) (from, to int64, err error) {
	switch r.Kind {
	case Whole:
		return 0, size, nil
	case FromTo:
		if r.First >= size {
			return 0, 0, ErrUnsatisfiableRange
		}
		return r.First, min(r.Last, size-1) + 1, nil
	case Suffix:
		if r.Last == 0 || size == 0 {
			return 0, 0, ErrUnsatisfiableRange
		}
		return max(0, size-r.Last), size, nil
	}
	return 0, 0, ErrMalformedRange
}
