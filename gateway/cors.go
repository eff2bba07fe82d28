package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"rookery/object"
)

// CORSRule lets pages of other origins read a bucket. Rules have the meaning that they
// have in S3 (S3 User Guide, "Elements of a CORS configuration"): the first that fits
// counts.
type CORSRule struct {
	// AllowedOrigins are origins as browsers send them ("https://app.example.com"),
	// each with at most one "*" for any text. "*" alone is every origin.
	AllowedOrigins []string
	AllowedMethods []string // GET and HEAD
	// AllowedHeaders are names of request headers, each with at most one "*".
	AllowedHeaders []string
	ExposeHeaders  []string      // that a page may read beside the few that it always may
	MaxAge         time.Duration // for which a browser may remember; 0 says nothing
}

// corsRule is a CORSRule made ready.
type corsRule struct {
	CORSRule
	fixed []object.Field // of every answer
}

func newCORS(rules []CORSRule) []corsRule {
	ready := make([]corsRule, len(rules))
	for i, r := range rules {
		fixed := []object.Field{{Name: "Access-Control-Allow-Methods", Value: strings.Join(r.AllowedMethods, ", ")}}
		if len(r.ExposeHeaders) > 0 {
			fixed = append(fixed, object.Field{Name: "Access-Control-Expose-Headers", Value: strings.Join(r.ExposeHeaders, ", ")})
		}
		if r.MaxAge > 0 {
			fixed = append(fixed, object.Field{Name: "Access-Control-Max-Age", Value: strconv.Itoa(int(r.MaxAge / time.Second))})
		}
		ready[i] = corsRule{r, fixed}
	}
	return ready
}

// varyForCORS keeps caches between the gateway and browsers from giving one origin's
// answer to another. A bucket with rules says so in all of its answers.
var varyForCORS = object.Field{Name: "Vary", Value: "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"}

var (
	corsDisabled   = &problem{status: 403, code: "AccessForbidden", message: "CORSResponse: CORS is not enabled for this bucket."}
	corsNotAllowed = &problem{status: 403, code: "AccessForbidden", message: "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."} //nolint:misspell // S3's words
	corsNoMethod   = &problem{status: 400, code: "BadRequest", message: "Invalid Access-Control-Request-Method: null"}
)

// corsFields are the fields of an answer to a GET or HEAD, whatever becomes of it: what
// the rule says that fits the page's origin. Nil for a bucket without rules.
func (b *route) corsFields(r *Request) []object.Field {
	if len(b.cors) == 0 {
		return nil
	}
	fields := []object.Field{varyForCORS}
	origin := r.list("Origin")
	if origin == "" {
		return fields
	}
	for i := range b.cors {
		if allowed, ok := b.cors[i].allows(origin, r.Method); ok {
			return append(append(fields, allowed...), b.cors[i].fixed...)
		}
	}
	return fields
}

// preflight answers a browser that asks whether a page may send a request (Fetch
// standard, "CORS-preflight fetch"). Nobody is asked who they are, since browsers send
// no credentials with it, and nothing is looked up. b is nil where no bucket is asked.
func (a *Answer) preflight(r *Request, b *route) error {
	origin, method := r.list("Origin"), r.list("Access-Control-Request-Method")
	switch {
	case b == nil || len(b.cors) == 0:
		return corsDisabled
	case method == "":
		return corsNoMethod
	}
	a.cors = []object.Field{varyForCORS}
	wanted := fieldNames(r.list("Access-Control-Request-Headers"))
	for i := range b.cors {
		rule := &b.cors[i]
		allowed, ok := rule.allows(origin, method)
		if !ok || slices.ContainsFunc(wanted, func(name string) bool { return !rule.allowsHeader(name) }) {
			continue
		}
		a.cors = append(append(a.cors, allowed...), rule.fixed...)
		if len(wanted) > 0 {
			a.cors = append(a.cors, object.Field{Name: "Access-Control-Allow-Headers", Value: strings.Join(wanted, ", ")})
		}
		a.Status = http.StatusOK
		a.Header = a.appendIDs([]object.Field{{Name: "Content-Length", Value: "0"}})
		return nil
	}
	return corsNotAllowed
}

// allows returns the fields that name an origin, if the rule lets it send the method.
// As S3 does, it names the origin and lets credentials be sent wherever not every origin
// is meant; but since here cookies may say who one is, a wildcard that does not stand
// for names below a fixed domain lets none be sent.
func (c *corsRule) allows(origin, method string) ([]object.Field, bool) {
	if !slices.Contains(c.AllowedMethods, method) {
		return nil, false
	}
	for _, pattern := range c.AllowedOrigins {
		switch {
		case pattern == "*":
			return []object.Field{{Name: "Access-Control-Allow-Origin", Value: "*"}}, true
		case !matchOneStar(pattern, origin):
		case strings.Contains(pattern, "*") && !strings.Contains(pattern, "://*."):
			return []object.Field{{Name: "Access-Control-Allow-Origin", Value: origin}}, true
		default:
			return []object.Field{{Name: "Access-Control-Allow-Origin", Value: origin}, {Name: "Access-Control-Allow-Credentials", Value: "true"}}, true
		}
	}
	return nil, false
}

func (c *corsRule) allowsHeader(name string) bool {
	return slices.ContainsFunc(c.AllowedHeaders, func(pattern string) bool { return matchOneStar(strings.ToLower(pattern), name) })
}

// fieldNames reads a list of field names, in lower case as browsers send them.
func fieldNames(list string) (names []string) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// matchOneStar compares a text with a pattern that has at most one "*".
func matchOneStar(pattern, text string) bool {
	before, after, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	return len(text) >= len(before)+len(after) && strings.HasPrefix(text, before) && strings.HasSuffix(text, after)
}
