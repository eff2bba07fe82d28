package origin

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"rookery/object"
)

// maxErrorBytes is how much of an error document is read.
const maxErrorBytes = 64 << 10

// refusal returns S3's error answer as an error; nil for a 2xx. It reads the
// document to its end, so that the connection can be used again.
func (c *Client) refusal(res *http.Response) error {
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return nil
	}
	refused := &object.OriginError{
		Status:     res.StatusCode,
		Message:    http.StatusText(res.StatusCode),
		RetryAfter: retryAfter(res.Header, c.now()),
	}
	var document struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBytes))
	if err == nil && xml.Unmarshal(text, &document) == nil {
		refused.Code, refused.Message = document.Code, document.Message
	}
	return refused
}

// noName is the answer to an empty name: at S3 it would be the bucket that is
// asked, not an object.
func noName() error {
	return &object.OriginError{Status: http.StatusNotFound, Code: "NoSuchKey", Message: "No object has an empty name."}
}

// retryAfter reads seconds or a date (RFC 9110 §10.2.3) as seconds from now.
func retryAfter(h http.Header, now time.Time) int {
	v := h.Get("Retry-After")
	if n, ok := parseDigits(v); ok {
		return int(min(n, int64(time.Hour/time.Second)))
	}
	t, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	wait := min(time.Hour, max(0, t.Sub(now)))
	return int((wait + time.Second - 1) / time.Second)
}

// sendError says why there was no answer. The OriginError in it is fit for a
// client; the cause, with its addresses, is for logs, and not to be unwrapped:
// our own timeout in it looks like a cancelled context.
func sendError(err error, silenced bool) error {
	failed := &object.OriginError{Status: http.StatusBadGateway, Message: "The origin could not be reached."}
	var netErr net.Error
	if silenced || errors.As(err, &netErr) && netErr.Timeout() {
		failed.Status, failed.Message = http.StatusGatewayTimeout, "The origin did not answer in time."
	}
	return fmt.Errorf("%w: %s", failed, err.Error())
}
