package gateway

import (
	"net/http"
	"strings"
	"time"

	"rookery/object"
)

// conditions are a request's conditional fields, "" where absent.
type conditions struct {
	ifMatch, ifNoneMatch               string
	ifModifiedSince, ifUnmodifiedSince string
	ifRange                            string // "" too when there is no range that it could guard
}

func (c *conditions) present() bool { return *c != conditions{} }

// precondition returns http.StatusOK, StatusNotModified or
// StatusPreconditionFailed for a GET or HEAD of an object with that info, in the
// order of RFC 9110 §13.2.2. A date that is none, and any date where the object
// has no Last-Modified, is ignored (§13.1.3, §13.1.4).
func (c *conditions) precondition(info *object.Info) int {
	switch {
	case c.ifMatch != "":
		if c.ifMatch != "*" && !matchStrong(c.ifMatch, info.ETag) {
			return http.StatusPreconditionFailed
		}
	case c.ifUnmodifiedSince != "":
		if unmodified, known := unmodifiedSince(c.ifUnmodifiedSince, info); known && !unmodified {
			return http.StatusPreconditionFailed
		}
	}
	switch {
	case c.ifNoneMatch != "":
		if c.ifNoneMatch == "*" || matchWeak(c.ifNoneMatch, info.ETag) {
			return http.StatusNotModified
		}
	case c.ifModifiedSince != "":
		if unmodified, known := unmodifiedSince(c.ifModifiedSince, info); known && unmodified {
			return http.StatusNotModified
		}
	}
	return http.StatusOK
}

func unmodifiedSince(date string, info *object.Info) (unmodified, known bool) {
	since, err := http.ParseTime(date)
	if err != nil || info.LastModified.IsZero() {
		return false, false
	}
	return !info.LastModified.After(since), true
}

// rangeHolds reports whether If-Range lets the range be served (RFC 9110
// §13.1.5): by strong comparison of entity-tags, or by the very date of a
// Last-Modified that is a strong validator, which it is when the origin
// confirmed it at least a second later (§8.8.2.2).
func (c *conditions) rangeHolds(info *object.Info) bool {
	if c.ifRange == "" {
		return true
	}
	if !strings.HasPrefix(c.ifRange, `"`) && !strings.HasPrefix(c.ifRange, "W/") {
		if date, err := http.ParseTime(c.ifRange); err == nil {
			return date.Equal(info.LastModified) && info.Validated.Sub(info.LastModified) >= time.Second
		}
	}
	return matchStrong(c.ifRange, info.ETag)
}
