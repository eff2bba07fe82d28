package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

// Retry is a bucket's policy for requests to S3 that failed for a while. The
// zero value means the defaults.
type Retry struct {
	MaxAttempts    int           // in all; 0 means 3, 1 is no retry
	InitialBackoff time.Duration // bounds the wait before the second attempt, and doubles with each; 0 means 100 ms
	MaxBackoff     time.Duration // bounds every wait; 0 means 1 s
}

const (
	// maxRetryAfter is the longest wait that S3 may ask for and still be asked
	// again within the same read. What is longer is the client's to wait for.
	maxRetryAfter = 3 * time.Second
	// A bucket's retries are at most this share of its other requests, over one to
	// two budget periods: where S3 fails for all, asking again helps nobody.
	retryShare  = 0.2
	retryPeriod = 10 * time.Second
	// retryFloor are as many retries as a quiet bucket has in that time anyway.
	retryFloor = 10
)

// retries is the one owner of second attempts at a bucket's S3. Safe for
// concurrent use.
type retries struct {
	policy Retry
	jitter func(ceiling time.Duration) time.Duration
	budget retryBudget
	count  map[string]*metrics.Counter
}

// The outcomes of a failed attempt.
const (
	askedAgain    = "again"
	attemptsSpent = "attempts_spent"
	budgetSpent   = "budget_spent"
	toldToWait    = "told_to_wait"
)

func newRetries(p Retry, bucket string, now func() time.Time, set *metrics.Set) *retries {
	if p.MaxAttempts == 0 {
		p.MaxAttempts = 3
	}
	if p.InitialBackoff == 0 {
		p.InitialBackoff = 100 * time.Millisecond
	}
	if p.MaxBackoff == 0 {
		p.MaxBackoff = time.Second
	}
	r := &retries{policy: p, jitter: fullJitter, budget: retryBudget{now: now}, count: map[string]*metrics.Counter{}}
	for _, outcome := range [...]string{askedAgain, attemptsSpent, budgetSpent, toldToWait} {
		r.count[outcome] = set.GetOrCreateCounter(fmt.Sprintf("rookery_origin_retries_total{bucket=%q,outcome=%q}", bucket, outcome))
	}
	return r
}

// fullJitter spreads those who failed together over the whole wait.
func fullJitter(ceiling time.Duration) time.Duration { return rand.N(ceiling) }

// again waits until S3 may be asked another time after so many failures, of
// which err was the last. It returns err if it is not to be asked again, and
// errClosed when ctx ends.
func (r *retries) again(ctx context.Context, failures int, err error) error {
	if !retryable(err) {
		return err
	}
	wait, asked := r.wait(failures, err)
	outcome := askedAgain
	switch {
	case failures >= r.policy.MaxAttempts:
		outcome = attemptsSpent
	case asked > maxRetryAfter:
		outcome = toldToWait
	case !r.budget.take():
		outcome = budgetSpent
	}
	r.count[outcome].Inc()
	if outcome != askedAgain {
		return err
	}
	if pause(ctx, wait) != nil {
		return errClosed
	}
	return nil
}

// pause waits, or returns ctx's error if that ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wait returns how long to wait before the next attempt, and how long S3 asked
// to be left alone.
func (r *retries) wait(failures int, err error) (wait, asked time.Duration) {
	ceiling := r.policy.MaxBackoff
	if doubled := r.policy.InitialBackoff << (failures - 1); doubled > 0 {
		ceiling = min(ceiling, doubled)
	}
	wait = r.jitter(ceiling)
	var refused *object.OriginError
	if errors.As(err, &refused) {
		asked = time.Duration(refused.RetryAfter) * time.Second
	}
	return asked + wait, asked
}

// retryable reports whether S3 may be asked again within the same read: what
// never reached it was refused to spare it.
func retryable(err error) bool {
	var refused *object.OriginError
	return temporary(err) && !(errors.As(err, &refused) && refused.Unsent)
}

// retryBudget bounds retries by a share of what was asked in the first place. It
// counts in periods of fixed length, and looks at the current and the last one.
type retryBudget struct {
	now func() time.Time

	mu       sync.Mutex
	start    time.Time // of the current period
	requests [2]int    // attempts, retries among them: in the current period, in the last
	retries  [2]int
}

// asked counts an attempt.
func (b *retryBudget) asked() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	b.requests[0]++
}

// take reports whether there may be one more retry, and counts it.
func (b *retryBudget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	retries := b.retries[0] + b.retries[1]
	first := b.requests[0] + b.requests[1] - retries
	if float64(retries) >= retryFloor+retryShare*float64(first) {
		return false
	}
	b.retries[0]++
	return true
}

// turn begins a new period when it is time.
func (b *retryBudget) turn() {
	now := b.now()
	switch passed := now.Sub(b.start); {
	case passed >= 2*retryPeriod:
		b.start, b.requests, b.retries = now, [2]int{}, [2]int{}
	case passed >= retryPeriod:
		b.start = b.start.Add(retryPeriod)
		b.requests, b.retries = [2]int{0, b.requests[0]}, [2]int{0, b.retries[0]}
	}
}
