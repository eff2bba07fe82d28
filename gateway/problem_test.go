package gateway

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"testing"

	"rookery/object"
)

func TestErrorsToAnswers(t *testing.T) {
	origin := func(status int, code, message string, retry int) error {
		return &object.OriginError{Status: status, Code: code, Message: message, RetryAfter: retry}
	}
	cases := []struct {
		err     error
		status  int
		code    string
		retry   int
		message string // "" is any
	}{
		{origin(404, "NoSuchKey", "The specified key does not exist.", 0), 404, "NoSuchKey", 0, "The specified key does not exist."},
		{origin(404, "NoSuchVersion", "m", 0), 404, "NoSuchVersion", 0, "m"},
		{origin(404, "", "", 0), 404, "NoSuchKey", 0, "The specified key does not exist."},
		{origin(403, "", "", 0), 403, "AccessDenied", 0, "Access Denied"},
		{origin(403, "InvalidObjectState", "frozen", 0), 403, "InvalidObjectState", 0, "frozen"},
		{origin(400, "", "", 0), 400, "InvalidRequest", 0, ""},
		{origin(405, "", "", 0), 405, "MethodNotAllowed", 0, ""},
		{origin(429, "", "", 7), 429, "SlowDown", 7, ""},
		{origin(500, "InternalError", "secret detail", 0), 502, "InternalError", 0, "The origin failed."},
		{origin(502, "", "", 0), 502, "InternalError", 0, ""},
		{origin(503, "SlowDown", "x", 0), 503, "SlowDown", 1, "Please reduce your request rate."},
		{origin(503, "", "", 9), 503, "ServiceUnavailable", 9, ""},
		{origin(504, "", "", 0), 504, "ServiceUnavailable", 0, ""},
		{origin(301, "PermanentRedirect", "elsewhere", 0), 502, "InternalError", 0, ""},
		{object.ErrBusy, 503, "SlowDown", 1, ""},
		{object.ErrBroken, 502, "InternalError", 0, ""},
		{object.ErrGone, 503, "ServiceUnavailable", 1, ""},
		{object.ErrUnreachable, 503, "ServiceUnavailable", 1, ""},
		{object.ErrUnknownBucket, 404, "NoSuchBucket", 0, ""},
		{object.ErrInfoTooLarge, 502, "InternalError", 0, ""},
		{object.ErrMalformedRange, 416, "InvalidRange", 0, ""},
		{object.ErrUnsatisfiableRange, 416, "InvalidRange", 0, ""},
		{context.DeadlineExceeded, 504, "ServiceUnavailable", 0, ""},
		{context.Canceled, 503, "ServiceUnavailable", 1, ""}, // the node's doing: the client is there
		{object.ErrNotHeld, 504, "ServiceUnavailable", 0, ""},
		{errors.New("boom"), 500, "InternalError", 0, ""},
		{notImplemented, 501, "NotImplemented", 0, ""},
	}
	for _, c := range cases {
		p := problemOf(t.Context(), fmt.Errorf("open: %w", c.err))
		if p.status != c.status || p.code != c.code || p.retryAfter != c.retry || c.message != "" && p.message != c.message {
			t.Errorf("%v: %d %s %q retry %d, want %d %s %q retry %d", c.err, p.status, p.code, p.message, p.retryAfter, c.status, c.code, c.message, c.retry)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if p := problemOf(gone, object.ErrBroken); p.status != 499 {
		t.Errorf("a client that has gone: %d, want 499", p.status)
	}
}

func TestProblemDocument(t *testing.T) {
	p := &problem{code: "NoSuchKey", message: `a < b & "c"`}
	var got struct {
		XMLName                            xml.Name `xml:"Error"`
		Code, Message, Resource, RequestId string
	}
	if err := xml.Unmarshal([]byte(p.document("/b/<k>\x00", "id-1")), &got); err != nil {
		t.Fatal(err)
	}
	if got.Code != "NoSuchKey" || got.Message != p.message || got.Resource != "/b/<k>\uFFFD" || got.RequestId != "id-1" {
		t.Errorf("%+v", got)
	}
}
