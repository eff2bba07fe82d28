package origin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"rookery/object"
)

// judgePartHead turns the answer to a HEAD of one part of a multipart upload into the
// part's own info: its size is the part's, and its header keeps the Content-Range that
// says where in the object the part lies. A checksum there is the part's alone, and no
// object's. An S3 that knows no parts answers 200, which is right for the first.
func (c *Client) judgePartHead(res *http.Response, part int, sent time.Time) (*object.Info, error) {
	if err := c.refusal(res); err != nil {
		if refused, ok := errors.AsType[*object.OriginError](err); ok && refused.Status == http.StatusRequestedRangeNotSatisfiable {
			refused.Code, refused.Message = "InvalidPartNumber", "The requested partnumber is not satisfiable"
		}
		return nil, err
	}
	place := res.Header.Get("Content-Range")
	switch {
	case res.ContentLength < 0:
		return nil, fmt.Errorf("%w: no Content-Length", object.ErrBroken)
	case res.StatusCode == http.StatusOK && part == 1:
		return newInfo(res, sent), nil
	case res.StatusCode != http.StatusPartialContent:
		return nil, fmt.Errorf("%w: status %d to a HEAD of part %d", object.ErrBroken, res.StatusCode, part)
	}
	if from, to, _, ok := parseContentRange(place); !ok || to-from != res.ContentLength {
		return nil, fmt.Errorf("%w: Content-Length %d with Content-Range %q to a HEAD of part %d", object.ErrBroken, res.ContentLength, place, part)
	}
	info := newInfo(res, sent)
	info.Header = slices.DeleteFunc(info.Header, func(f object.Field) bool { return strings.HasPrefix(f.Name, "X-Amz-Checksum-") })
	info.Header = append(info.Header, object.Field{Name: "Content-Range", Value: place})
	return info, nil
}
