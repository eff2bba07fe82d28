package origin

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"rookery/object"
)

// judgeHead turns the answer to a HEAD into an info.
func (c *Client) judgeHead(res *http.Response, ifNoneMatch string, sent time.Time) (*object.Info, error) {
	if res.StatusCode == http.StatusNotModified && ifNoneMatch != "" {
		return nil, notModified(res.Header, sent)
	}
	if err := c.refusal(res); err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: status %d to a HEAD", object.ErrBroken, res.StatusCode)
	}
	if res.ContentLength < 0 {
		return nil, fmt.Errorf("%w: no Content-Length", object.ErrBroken)
	}
	return newInfo(res, sent), nil
}

// judgeGet turns the answer to a GET into a Fetched without its Body. The order
// matters: another version is gone, whatever else is odd about its answer.
func (c *Client) judgeGet(res *http.Response, f object.Fetch, sent time.Time) (*object.Fetched, error) {
	switch {
	case res.StatusCode == http.StatusNotModified && f.IfNoneMatch != "":
		return nil, notModified(res.Header, sent)
	case f.IfMatch != "" && (res.StatusCode == http.StatusPreconditionFailed ||
		res.StatusCode == http.StatusRequestedRangeNotSatisfiable):
		return nil, fmt.Errorf("%w: status %d to If-Match %s", object.ErrGone, res.StatusCode, f.IfMatch)
	}
	if err := c.refusal(res); err != nil {
		return nil, err
	}
	etag := res.Header.Get("ETag")
	if f.IfMatch != "" && etag != f.IfMatch {
		if etag == "" {
			return nil, fmt.Errorf("%w: no ETag to If-Match %s", object.ErrBroken, f.IfMatch)
		}
		return nil, fmt.Errorf("%w: ETag %s to If-Match %s", object.ErrGone, etag, f.IfMatch)
	}
	if res.ContentLength < 0 {
		return nil, fmt.Errorf("%w: no Content-Length", object.ErrBroken)
	}
	switch {
	case res.StatusCode == http.StatusOK && f.To == 0,
		res.StatusCode == http.StatusOK && f.From == 0 && f.To == res.ContentLength:
		return &object.Fetched{Info: newInfo(res, sent), ETag: etag, Length: res.ContentLength, Size: res.ContentLength}, nil
	case res.StatusCode == http.StatusPartialContent && f.To != 0:
		return judgePart(res, f, etag)
	}
	return nil, fmt.Errorf("%w: status %d with %d bytes to %s", object.ErrBroken, res.StatusCode, res.ContentLength, asked(f))
}

// judgePart wants of a 206 exactly the part that was asked for.
func judgePart(res *http.Response, f object.Fetch, etag string) (*object.Fetched, error) {
	contentRange := res.Header.Get("Content-Range")
	from, to, size, ok := parseContentRange(contentRange)
	if !ok || from != f.From || to != f.To || len(res.Header.Values("Content-Range")) != 1 {
		return nil, fmt.Errorf("%w: Content-Range %q to %s", object.ErrBroken, contentRange, asked(f))
	}
	if res.ContentLength != to-from {
		return nil, fmt.Errorf("%w: Content-Length %d with Content-Range %q", object.ErrBroken, res.ContentLength, contentRange)
	}
	return &object.Fetched{ETag: etag, Offset: from, Length: to - from, Size: size}, nil
}

// parseContentRange reads "bytes first-last/size" (RFC 9110 §14.4) as a half-open
// interval. An unknown size is not enough for us.
func parseContentRange(s string) (from, to, size int64, ok bool) {
	spec, found := strings.CutPrefix(s, "bytes ")
	span, whole, _ := strings.Cut(spec, "/")
	first, last, _ := strings.Cut(span, "-")
	from, okFirst := parseDigits(first)
	to, okLast := parseDigits(last)
	size, okSize := parseDigits(whole)
	ok = found && okFirst && okLast && okSize && from <= to && to < size
	return from, to + 1, size, ok
}

// parseDigits reads 1*DIGIT; unlike strconv it takes no sign.
func parseDigits(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

func asked(f object.Fetch) string {
	if f.To == 0 {
		return "a whole GET"
	}
	return fmt.Sprintf("bytes %d to %d", f.From, f.To)
}
