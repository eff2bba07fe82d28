package auth

import "net/netip"

// Header gives all values of a request header field, in the order in which they
// came; the name is in canonical form. http.Header is one.
type Header interface {
	Values(name string) []string
}

// Action is what a request wants to do.
type Action uint8

// The actions.
const (
	Read    Action = iota // of one object: its bytes, its info, its attributes or its tags
	List                  // the names of a bucket that begin with a prefix
	Buckets               // learn that the bucket is there
)

var actionNames = [...]string{"read", "list", "buckets"}

func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return "unknown"
}

// Request is a request before anything has been looked up for it: as it came, and
// what it has been understood to want. Nobody changes it.
type Request struct {
	Method string
	Target string // the raw request target, never cleaned nor decoded
	Host   string // the Host header or :authority, with its port if it had one
	Header Header
	Remote netip.Addr // the client's address; the zero Addr if it is not known
	Secure bool       // it came by TLS

	Bucket string // the configured bucket
	Action Action
	// Name is the object's name, exactly as S3 knows it; of a List the prefix, "" for
	// the whole bucket.
	Name string
}
