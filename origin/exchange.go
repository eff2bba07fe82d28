package origin

import (
	"context"
	"errors"
	"time"
)

// errSilent cancels a request whose origin said nothing for too long.
var errSilent = errors.New("origin was silent for too long")

// exchange is one request and its answer, up to the end of the body.
type exchange struct {
	caller  context.Context
	request context.Context // ends with the caller's, or by silence
	cancel  context.CancelCauseFunc
	silence silence
	client  *Client
	kind    kind
	start   time.Time
}

// begin starts the clock of a request that is about to be sent under the context
// it returns.
func (c *Client) begin(ctx context.Context, k kind) (context.Context, *exchange) {
	x := &exchange{client: c, kind: k, start: c.now(), caller: ctx}
	x.request, x.cancel = context.WithCancelCause(ctx)
	limit := patience(ctx, c.timeout)
	x.silence = silence{
		limit: limit,
		timer: time.AfterFunc(limit, func() { x.cancel(errSilent) }),
	}
	return x.request, x
}

// silenced reports whether it was the origin's silence that ended the request.
func (x *exchange) silenced() bool { return errors.Is(context.Cause(x.request), errSilent) }

// unanswered ends an exchange that got no answer, and returns its error.
func (x *exchange) unanswered(err error) error {
	if err = sendError(err, x.silenced()); x.caller.Err() != nil {
		err = x.caller.Err()
	}
	x.judged(err)
	x.cancel(nil)
	return err
}

// judged counts the exchange. Only its body, if it has one, is left.
func (x *exchange) judged(err error) {
	x.silence.disarm()
	x.client.count.request(x.kind, err, x.client.now().Sub(x.start))
}

// silence runs a timer only while something is awaited from the origin, so that
// a slow reader of a body is no silent origin.
type silence struct {
	limit time.Duration
	timer *time.Timer
}

func (s *silence) arm()    { s.timer.Reset(s.limit) }
func (s *silence) disarm() { s.timer.Stop() }
