// Package origin asks S3 through aws-sdk-go-v2, and takes care of it. A Client
// sends one HEAD or one GET. An Origin is what a node asks: the clients of one or
// more replicas, each behind a limit, a breaker, a hedge and a pace of its own
// (decorators, a file each), the first healthy one first.
//
// It owns the credentials (they never leave it), the connections, and the
// judgement of every answer: what contradicts the request is object.ErrBroken or
// object.ErrGone and never reaches a caller as bytes. The SDK chooses the
// endpoint and signs; the answer is read here, because an Info keeps every
// header as S3 sent it.
//
// It refuses to send a failed request to the same S3 again, to follow redirects,
// to resume a body, and to decode or check one: each has one owner, who is
// elsewhere. (net/http repeats a
// request by itself whose kept connection turns out to have been closed before
// any answer; that is no second attempt at S3.)
package origin
