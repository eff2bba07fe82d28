package s3test

import "net/http"

// Step is how one request is answered. The zero Step is the right answer. What
// speaks of the body has no effect on answers without one.
type Step struct {
	// Method limits the step to GET or HEAD; requests of the other method pass
	// by and leave it for the next. "" is both.
	Method string

	// Status, if not 0, is the answer in place of the object: an error document
	// with Code in its XML.
	Status int
	Code   string
	// Header is set on the answer, last of all: a Content-Range here is a wrong
	// one, a Retry-After a wish. An empty list of values removes the field.
	Header http.Header
	// Text is the document that a query gets in place of the right one.
	Text string
	// Drop cuts the connection before any answer. Mind that net/http repeats a GET
	// by itself when it finds a kept connection cut: it takes the next step.
	Drop bool
	// Silent sends no headers, until the client leaves or the server closes.
	Silent bool

	IgnoreRange   bool // 200 and everything, to a Range
	IgnoreIfMatch bool // the current version, whatever If-Match says
	// IgnoreIfNoneMatch sends the object to an If-None-Match that names it.
	IgnoreIfNoneMatch bool
	NoLength          bool // chunked encoding without Content-Length
	// Extra makes Content-Length and the body longer by as many bytes (shorter
	// when negative) than the answer should be.
	Extra int64
	// Shift moves the part that a Range gets by as many bytes: a 206 that is sound
	// in itself, of another part than was asked for.
	Shift int64
	// Multipart sends the part that a Range gets as multipart/byteranges (RFC 9110
	// §14.6) with that one part.
	Multipart bool

	// End, if not nil, ends the body early, after so many bytes of it.
	End *End
}

// End is how and where a body ends early.
type End struct {
	After int64 // bytes of the body that are sent before
	How   How
}

// How a body ends early.
type How int

// The ways to end a body early.
const (
	// Cut closes the connection in good order: the client gets all After bytes.
	Cut How = iota
	// Reset sends an RST: the client gets at most After bytes.
	Reset
	// Stall sends nothing more until the client leaves or the server closes.
	Stall
)

// Redirect is an answer that points elsewhere, as S3 does for a bucket in another
// region (301, 307) and proxies do (302).
func Redirect(status int, location string) Step {
	code := "TemporaryRedirect"
	if status == http.StatusMovedPermanently {
		code = "PermanentRedirect"
	}
	return Step{Status: status, Code: code, Header: http.Header{"Location": {location}}}
}

// Script answers the next requests for an object with the given steps, one each,
// after those of earlier calls; then the right answers go on.
func (s *Server) Script(bucket, key string, steps ...Step) {
	n := name{bucket, key}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[n] = append(s.scripts[n], steps...)
}

// Everything answers every request that has no scripted step of its own with
// step, until Everything(nil): an S3 that is away is &Step{Drop: true}.
func (s *Server) Everything(step *Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fallback = step
}

// next takes the step for a request.
func (s *Server) next(n name, method string) Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	steps := s.scripts[n]
	if len(steps) > 0 && (steps[0].Method == "" || steps[0].Method == method) {
		s.scripts[n] = steps[1:]
		return steps[0]
	}
	if s.fallback != nil && (s.fallback.Method == "" || s.fallback.Method == method) {
		return *s.fallback
	}
	return Step{}
}
