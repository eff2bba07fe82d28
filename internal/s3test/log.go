package s3test

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"rookery/object"
)

// Request is what came in and what went out.
type Request struct {
	Method      string
	Target      string // the request target as it was on the wire
	Host        string
	Remote      string // the client's address: one for each connection
	Bucket, Key string
	VersionID   string
	Part        string // partNumber
	Query       string // "list", "attributes" or "tagging"; "" asks for an object
	Header      http.Header

	Status int // 0 until the answer begins, and when it was dropped
	// From and To are the object's bytes that the answer promised, half open;
	// both 0 for HEAD, errors and empty bodies.
	From, To int64
	// Sent is how many bytes of the object have been handed to the socket.
	Sent int64
	Done bool // the answer has ended, well or not
}

func (r Request) String() string {
	return fmt.Sprintf("%s %s %s → %d, bytes %d to %d, %d sent", r.Method, r.Target, r.Header.Get("Range"), r.Status, r.From, r.To, r.Sent)
}

// Requests returns the log, in the order of arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Request, len(s.log))
	for i, r := range s.log {
		all[i] = *r
	}
	return all
}

// Forget empties the log and the counts. Objects, scripts and gates stay.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log, s.fetches = nil, map[name][]int{}
}

// Count returns how many requests of a method came for an object. An empty
// bucket, key or method stands for any.
func (s *Server) Count(method, bucket, key string) int {
	count := 0
	for _, r := range s.Requests() {
		if r.matches(method, bucket, key) {
			count++
		}
	}
	return count
}

func (r Request) matches(method, bucket, key string) bool {
	return (method == "" || r.Method == method) && (bucket == "" || r.Bucket == bucket) && (key == "" || r.Key == key)
}

// Bytes returns how many bytes of an object its GETs were promised and how many
// of them were handed to the sockets. An empty bucket or key stands for any.
func (s *Server) Bytes(bucket, key string) (promised, sent int64) {
	for _, r := range s.Requests() {
		if r.matches(http.MethodGet, bucket, key) {
			promised += r.To - r.From
			sent += r.Sent
		}
	}
	return promised, sent
}

// Fetches returns, for each chunk of an object, how many answers were begun that
// covered a byte of it. It is as long as the last chunk that was covered.
func (s *Server) Fetches(bucket, key string) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int(nil), s.fetches[name{bucket, key}]...)
}

// Await blocks until until is true of the log, which it looks at after every
// arrival and every end. It returns ctx's error if that comes first.
func (s *Server) Await(ctx context.Context, until func([]Request) bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if until(s.Requests()) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin logs a request that has arrived.
func (s *Server) begin(r *http.Request) *Request {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	n := nameOf(r.Host, path)
	parameters := r.URL.Query()
	q := &Request{
		Method: r.Method, Target: r.RequestURI, Host: r.Host, Remote: r.RemoteAddr,
		Bucket: n.bucket, Key: n.key, VersionID: parameters.Get("versionId"), Part: parameters.Get("partNumber"), Header: r.Header.Clone(),
		Query: queryOf(r.Method, n, parameters),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, q)
	s.announce()
	return q
}

// start logs that the answer's headers are about to leave.
func (s *Server) start(q *Request, status int, from, to int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.Status, q.From, q.To = status, from, to
	if from == to {
		return
	}
	n := name{q.Bucket, q.Key}
	counts := s.fetches[n]
	for int64(len(counts)) <= object.ChunkOf(to-1) {
		counts = append(counts, 0)
	}
	for c := object.ChunkOf(from); c <= object.ChunkOf(to-1); c++ {
		counts[c]++
	}
	s.fetches[n] = counts
}

func (s *Server) sent(q *Request, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.Sent += bytes
}

func (s *Server) end(q *Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.Done = true
	s.announce()
}

// announce wakes those in Await. s.mu is held.
func (s *Server) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}
