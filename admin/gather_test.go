package admin_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rookery/admin"
	"rookery/council"
	"rookery/purge"
)

// slowCouncil commits when it is told to.
type slowCouncil struct {
	*fakeCouncil
	commit chan error
}

func (s *slowCouncil) PurgeMany(ctx context.Context, orders []purge.Order, wait time.Duration) ([]*council.Report, error) {
	if err := <-s.commit; err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return s.fakeCouncil.PurgeMany(ctx, orders, wait)
}

// sender sends messages to a handler without sockets, which synctest does not see.
type sender struct {
	t       *testing.T
	handler http.Handler
	answers chan *httptest.ResponseRecorder
}

func newSender(t *testing.T, c admin.Council) *sender {
	opts := fixture()
	opts.Council, opts.Origins = c, map[string][]string{"acme": {"public"}}
	return &sender{t, admin.New(opts), make(chan *httptest.ResponseRecorder, 100)}
}

func (s *sender) send(ctx context.Context, body string) {
	go func() {
		req := httptest.NewRequestWithContext(ctx, "POST", "/admin/events/s3", strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token)
		answer := httptest.NewRecorder()
		s.handler.ServeHTTP(answer, req)
		s.answers <- answer
	}()
	synctest.Wait()
}

// answered counts the answers that have come, by their status.
func (s *sender) answered() map[int]int {
	synctest.Wait()
	counts := make(map[int]int)
	for {
		select {
		case a := <-s.answers:
			counts[a.Code]++
		default:
			return counts
		}
	}
}

// What comes while an entry is under way shares the next, and nobody is answered
// before the own entry is committed.
func TestEventsThatComeAtOnceShareAnEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &slowCouncil{newCouncil(), make(chan error)}
		s := newSender(t, c)
		for n := range 51 {
			s.send(t.Context(), batchOf(n, 1))
		}
		if got := s.answered(); len(got) != 0 {
			t.Fatalf("answered before the commit: %v", got)
		}
		c.commit <- nil
		if got := s.answered(); got[200] != 1 || len(got) != 1 {
			t.Fatalf("after the first commit: %v", got)
		}
		c.commit <- nil
		if got := s.answered(); got[200] != 50 || len(got) != 1 {
			t.Fatalf("after the second commit: %v", got)
		}
		if len(c.batches) != 2 || len(c.batches[0][0].Scopes) != 1 || len(c.batches[1]) != 1 || len(c.batches[1][0].Scopes) != 50 {
			t.Errorf("entries: %+v", c.batches)
		}
	})
}

// A failure is told to all whose events were in the entry, and to no other.
func TestAnEntryThatFailsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &slowCouncil{newCouncil(), make(chan error)}
		s := newSender(t, c)
		for n := range 4 {
			s.send(t.Context(), batchOf(n, 1))
		}
		c.commit <- nil
		c.commit <- errors.New("disk full")
		if got := s.answered(); got[200] != 1 || got[503] != 3 {
			t.Fatalf("%v", got)
		}
		for n := range 4 { // the first is a duplicate now, the others are not
			s.send(t.Context(), batchOf(n, 1))
		}
		c.commit <- nil
		c.commit <- nil
		if got := s.answered(); got[200] != 4 || len(c.orders()) != 3 {
			t.Errorf("%v, ordered %+v", got, c.orders())
		}
	})
}

// A sender that goes away stops neither its own entry nor what it waits for.
func TestASenderThatGoesStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &slowCouncil{newCouncil(), make(chan error)}
		s := newSender(t, c)
		first, leave := context.WithCancel(t.Context())
		second, leaveToo := context.WithCancel(t.Context())
		s.send(first, batchOf(0, 1))
		s.send(second, batchOf(1, 1))
		s.send(t.Context(), batchOf(2, 1))
		leave()
		leaveToo()
		if got := s.answered(); got[503] != 1 || len(got) != 1 {
			t.Fatalf("%v", got) // the second; the first is bringing its own
		}
		c.commit <- nil
		c.commit <- nil
		if got := s.answered(); got[200] != 2 {
			t.Fatalf("%v", got)
		}
		if got := c.last(t).Scopes; len(got) != 2 {
			t.Errorf("the one that waited: %+v", got)
		}
	})
}

func TestEventsThatWaitAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &slowCouncil{newCouncil(), make(chan error)}
		s := newSender(t, c)
		for n := range 22 { // one is under way, twenty wait
			s.send(t.Context(), batchOf(n*1000, 1000))
		}
		if got := s.answered(); got[503] != 1 || len(got) != 1 {
			t.Fatalf("%v", got)
		}
		c.commit <- nil
		c.commit <- nil
		if got := s.answered(); got[200] != 21 || len(c.batches) != 2 || len(c.batches[1]) != 20 {
			t.Errorf("%v, %d entries", got, len(c.batches))
		}
	})
}
