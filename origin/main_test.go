package origin

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"go.uber.org/goleak"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect returns a client of bucket "b" at a test's origin, with static keys
// and path style unless the options say otherwise.
func connect(t *testing.T, endpoint string, change func(*Options)) *Client {
	t.Helper()
	o := Options{
		Name: "route", Bucket: "b", Region: "eu-central-1", Endpoint: endpoint,
		AccessKey: "AKID", SecretKey: "SECRET", PathStyle: true, Timeout: 10 * time.Second,
	}
	if change != nil {
		change(&o)
	}
	c, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// within bounds a test that would otherwise hang.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// scripted is an origin with one object and a client of it.
type scripted struct {
	*s3test.Server
	*Client
	object pattern.Object
	key    object.Key
	set    *metrics.Set
}

func script(t *testing.T, size int64, m s3test.Meta, change func(*Options)) scripted {
	t.Helper()
	s := scripted{
		Server: s3test.Start(t), set: metrics.NewSet(),
		object: pattern.Object{Bucket: "b", Key: "dir/k", Size: size},
		key:    object.Key{Bucket: "route", Name: "dir/k"},
	}
	s.Put(s.object, m)
	s.Client = connect(t, s.URL, func(o *Options) {
		o.Metrics = s.set
		if change != nil {
			change(o)
		}
	})
	return s
}

// asOriginError returns the OriginError in err, or nil.
func asOriginError(err error) *object.OriginError {
	var refused *object.OriginError
	errors.As(err, &refused)
	return refused
}

// Close is ambiguous between the two; both are closed by the test.
func (scripted) Close() {}
