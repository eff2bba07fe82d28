package node_test

import (
	"context"
	"testing"
	"time"

	"rookery/internal/pattern"
	"rookery/node"
	"rookery/object"
	"rookery/purge"
)

// A request to S3 may be on its way for longer than anything about the purges of
// its time is known here: their floors are forgotten, or the council is another.
// Whoever comes then asks S3 anew.
func TestACallOfAnotherTimeIsNotJoined(t *testing.T) {
	first, second := [16]byte{1}, [16]byte{2}
	cases := []struct {
		name string
		pass func(*purge.State)
	}{
		{"the floor is forgotten", func(s *purge.State) {
			s.Apply(6, &purge.Order{ID: "p", Scopes: []purge.Scope{{Kind: purge.Object, Bucket: bucket, Name: "k"}}})
			s.Trim(7, bucket, 6)
		}},
		{"another council", func(s *purge.State) {
			s.Join(second)
			s.Apply(3, &purge.Order{ID: "p", Scopes: []purge.Scope{{Kind: purge.All}}})
			s.Grant(second, time.Now(), time.Hour)
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			state := purge.NewState()
			state.Join(first)
			state.Pass(5)
			state.Grant(first, time.Now(), time.Hour)
			old := pattern.Object{Bucket: bucket, Key: "k", Version: "1", Size: 3000}
			now := pattern.Object{Bucket: bucket, Key: "k", Version: "2", Size: 2000}
			asked, answer := make(chan struct{}), make(chan struct{})
			times := 0 // that S3 was asked, by one reader after the other
			n := newAlone(t, &fakeOrigin{get: func(_ context.Context, f object.Fetch) (*object.Fetched, error) {
				if times++; times > 1 {
					return fetched(now, infoOf(now, `"2"`), f), nil
				}
				close(asked)
				<-answer
				return fetched(old, infoOf(old, `"1"`), f), nil
			}}, func(o *node.Options) { o.Purges = state })
			done := make(chan struct{})
			go func() {
				defer close(done)
				n.read(t, get("k"), old)
			}()
			<-asked
			c.pass(state)
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			a, err := n.Open(ctx, get("k")) // who joined would wait
			close(answer)
			<-done
			if err != nil {
				t.Fatal(err)
			}
			if err := check(a, now); err != nil {
				t.Error(err)
			}
			n.read(t, get("k"), now)
		})
	}
}
