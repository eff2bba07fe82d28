// Package origin asks S3: one HEAD or one GET at a time, through aws-sdk-go-v2.
//
// It owns the credentials (they never leave it), the connections, and the
// judgement of every answer: what contradicts the request is object.ErrBroken or
// object.ErrGone and never reaches a caller as bytes. The SDK chooses the
// endpoint and signs; the answer is read here, because an Info keeps every
// header as S3 sent it.
//
// It refuses to retry, to follow redirects, to resume a body, to decode or check
// a body, and to limit: each has one owner, who is elsewhere. (net/http repeats a
// request by itself whose kept connection turns out to have been closed before
// any answer; that is no second attempt at S3.)
package origin
