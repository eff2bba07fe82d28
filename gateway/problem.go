package gateway

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"rookery/object"
)

// problem is an error as the client sees it. Its fields go beside the XML.
type problem struct {
	status        int
	code, message string
	retryAfter    int // seconds; 0 is none
	fields        []object.Field
}

func (p *problem) Error() string { return p.code + ": " + p.message }

// What the gateway itself refuses, in S3's words (S3 API reference, "Error
// responses").
var (
	invalidURI        = &problem{status: 400, code: "InvalidURI", message: "Couldn't parse the specified URI."}
	keyTooLong        = &problem{status: 400, code: "KeyTooLongError", message: "Your key is too long."}
	invalidVersionID  = &problem{status: 400, code: "InvalidArgument", message: "Invalid version id specified."}
	invalidPart       = &problem{status: 400, code: "InvalidArgument", message: "Part number must be an integer between 1 and 10000, inclusive."}
	rangeOfPart       = &problem{status: 400, code: "InvalidRequest", message: "Cannot specify both Range header and partNumber query parameter."}
	invalidOverride   = &problem{status: 400, code: "InvalidArgument", message: "A response-* parameter has a value that no header may have."}
	anonymousOverride = &problem{status: 400, code: "InvalidRequest", message: "Request specific response headers cannot be used for anonymous GET requests: a response-* parameter needs an authenticated request."}
	accessDenied      = &problem{status: 403, code: "AccessDenied", message: "Access Denied"}
	noSuchBucket      = &problem{status: 404, code: "NoSuchBucket", message: "The specified bucket does not exist."}
	methodNotAllowed  = &problem{status: 405, code: "MethodNotAllowed", message: "The specified method is not allowed against this resource.", fields: []object.Field{{Name: "Allow", Value: "GET, HEAD"}}}
	preconditionFails = &problem{status: 412, code: "PreconditionFailed", message: "At least one of the pre-conditions you specified did not hold."}
	invalidRange      = &problem{status: 416, code: "InvalidRange", message: "The requested range is not satisfiable"}
	notImplemented    = &problem{status: 501, code: "NotImplemented", message: "The request implies functionality that is not implemented."}
	getOnly           = &problem{status: 405, code: "MethodNotAllowed", message: "The specified method is not allowed against this resource.", fields: []object.Field{{Name: "Allow", Value: "GET"}}}
	twoResources      = &problem{status: 400, code: "InvalidRequest", message: "Conflicting query string parameters."}
	repeatedParameter = &problem{status: 400, code: "InvalidArgument", message: "A query string parameter is given twice."}
	invalidListType   = &problem{status: 400, code: "InvalidArgument", message: "Invalid List Type: list-type must be 2."}
	invalidToken      = &problem{status: 400, code: "InvalidArgument", message: "The continuation token provided is incorrect."}
	invalidMaxKeys    = &problem{status: 400, code: "InvalidArgument", message: "Argument max-keys must be an integer between 0 and 2147483647."}
	invalidEncoding   = &problem{status: 400, code: "InvalidArgument", message: "Invalid Encoding Method specified in Request."}
	invalidAttributes = &problem{status: 400, code: "InvalidArgument", message: "Invalid attribute name specified."}
	noAttributes      = &problem{status: 400, code: "InvalidRequest", message: "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty."}
	invalidMaxParts   = &problem{status: 400, code: "InvalidArgument", message: "x-amz-max-parts and x-amz-part-number-marker must be integers between 0 and 2147483647."}
	internalError     = &problem{status: 500, code: "InternalError", message: "We encountered an internal error. Please try again."}
	clientGone        = &problem{status: statusClientGone, code: "RequestCanceled", message: "The client has gone."}
)

// statusClientGone is for the log alone: nobody is there to read it (nginx's
// convention; no standard code says it).
const statusClientGone = 499

// retrySeconds is how long a client is asked to wait where the origin did not say.
const retrySeconds = 1

// problems is the one table from errors to answers; the first that errors.Is
// finds counts. OriginError is read by originProblem.
var problems = []struct {
	is error
	p  *problem
}{
	{object.ErrMalformedRange, invalidRange},
	{object.ErrUnsatisfiableRange, invalidRange},
	{object.ErrUnknownBucket, noSuchBucket},
	{object.ErrBusy, &problem{status: 503, code: "SlowDown", message: "Please reduce your request rate.", retryAfter: retrySeconds}},
	{object.ErrGone, &problem{status: 503, code: "ServiceUnavailable", message: "The object is changing. Please try again.", retryAfter: retrySeconds}},
	{object.ErrUnreachable, &problem{status: 503, code: "ServiceUnavailable", message: "Please try again.", retryAfter: retrySeconds}},
	{object.ErrNotHeld, &problem{status: 504, code: "ServiceUnavailable", message: "The object is not in the cache, and the request says only-if-cached."}},
	{object.ErrBroken, &problem{status: 502, code: "InternalError", message: "The origin's answer broke its promise."}},
	{object.ErrInfoTooLarge, &problem{status: 502, code: "InternalError", message: "The origin's headers are too large."}},
	{context.DeadlineExceeded, &problem{status: 504, code: "ServiceUnavailable", message: "The origin did not answer in time."}},
	{context.Canceled, &problem{status: 503, code: "ServiceUnavailable", message: "Please try again.", retryAfter: retrySeconds}},
}

// problemOf says how err is told to a client. ctx is the client's: once it is
// done, no error is worth more than that.
func problemOf(ctx context.Context, err error) *problem {
	var own *problem
	var origin *object.OriginError
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(ctx.Err(), context.Canceled):
		return clientGone
	case errors.As(err, &origin):
		return originProblem(origin)
	}
	for _, row := range problems {
		if errors.Is(err, row.is) {
			return row.p
		}
	}
	return internalError
}

// originProblem keeps a 4xx of the origin what it is. A failure of the origin is
// ours as a gateway: 502, 503 or 504, in our words.
func originProblem(e *object.OriginError) *problem {
	if e.Status >= 400 && e.Status < 500 {
		p := &problem{status: e.Status, code: e.Code, message: e.Message, retryAfter: e.RetryAfter}
		if p.code == "" {
			p.code = codeOfStatus(e.Status)
		}
		if p.message == "" {
			p.message = messageOf(p.code, e.Status)
		}
		return p
	}
	switch e.Status {
	case http.StatusServiceUnavailable:
		p := &problem{status: 503, code: "ServiceUnavailable", message: "The origin is unavailable. Please try again.", retryAfter: max(e.RetryAfter, retrySeconds)}
		if e.Code == "SlowDown" {
			p.code, p.message = "SlowDown", "Please reduce your request rate."
		}
		return p
	case http.StatusGatewayTimeout:
		return &problem{status: 504, code: "ServiceUnavailable", message: "The origin did not answer in time."}
	}
	return &problem{status: 502, code: "InternalError", message: "The origin failed."}
}

// codeOfStatus is the S3 code for an origin's status that came without one, as
// after a HEAD.
func codeOfStatus(status int) string {
	switch status {
	case http.StatusForbidden, http.StatusUnauthorized:
		return "AccessDenied"
	case http.StatusNotFound:
		return "NoSuchKey"
	case http.StatusMethodNotAllowed:
		return "MethodNotAllowed"
	case http.StatusPreconditionFailed:
		return "PreconditionFailed"
	case http.StatusRequestedRangeNotSatisfiable:
		return "InvalidRange"
	case http.StatusTooManyRequests:
		return "SlowDown"
	}
	return "InvalidRequest"
}

// messageOf is S3's text for a code that came without one.
func messageOf(code string, status int) string {
	switch code {
	case "NoSuchKey":
		return "The specified key does not exist."
	case "AccessDenied":
		return "Access Denied"
	}
	return http.StatusText(status)
}

// unsatisfiable is invalidRange with the size that the range missed (RFC 9110
// §14.4).
func unsatisfiable(size int64) *problem {
	p := *invalidRange
	p.fields = []object.Field{{Name: "Content-Range", Value: "bytes */" + strconv.FormatInt(size, 10)}}
	return &p
}

// document returns the problem as S3 writes it.
func (p *problem) document(resource, requestID string) string {
	var b strings.Builder
	b.WriteString(xml.Header + "<Error>")
	for _, e := range [...]object.Field{{Name: "Code", Value: p.code}, {Name: "Message", Value: p.message}, {Name: "Resource", Value: resource}, {Name: "RequestId", Value: requestID}} {
		b.WriteString("<" + e.Name + ">")
		_ = xml.EscapeText(&b, []byte(e.Value)) // a strings.Builder does not fail
		b.WriteString("</" + e.Name + ">")
	}
	b.WriteString("</Error>")
	return b.String()
}
