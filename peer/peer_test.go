package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

func TestBodiesOfEverySize(t *testing.T) {
	for _, size := range []int64{0, 1, 4096, maxDataBytes - 1, maxDataBytes, maxDataBytes + 1, 1<<20 + 17, 5 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			o := testObject(size)
			client, _ := startPair(t, holder(o))
			a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
			if err != nil {
				t.Fatal(err)
			}
			if (a.Body == nil) != (size == 0) {
				t.Errorf("body is %v for %d bytes", a.Body, size)
			}
			if want := infoOf(o); !reflect.DeepEqual(a.Info, want) {
				t.Errorf("info %+v, want %+v", a.Info, want)
			}
			checkAnswer(t, a, o, 0, size)
		})
	}
}

func TestRanges(t *testing.T) {
	const size = 300_000
	o := testObject(size)
	client, _ := startPair(t, holder(o))
	for _, c := range []struct {
		r        object.Range
		from, to int64
	}{
		{object.Range{}, 0, size},
		{object.Range{Kind: object.FromTo, First: 0, Last: 0}, 0, 1},
		{object.Range{Kind: object.FromTo, First: 70_000, Last: 199_999}, 70_000, 200_000},
		{object.Range{Kind: object.FromTo, First: size - 1, Last: math.MaxInt64}, size - 1, size},
		{object.Range{Kind: object.Suffix, Last: 5}, size - 5, size},
		{object.Range{Kind: object.Suffix, Last: size + 1}, 0, size},
	} {
		a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o), Range: c.r})
		if err != nil {
			t.Fatalf("%+v: %v", c.r, err)
		}
		checkAnswer(t, a, o, c.from, c.to)
	}
	_, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o), Range: object.Range{Kind: object.FromTo, First: size, Last: size}})
	if !errors.Is(err, object.ErrUnsatisfiableRange) {
		t.Errorf("a range past the end: %v", err)
	}
}

func TestEveryFieldOfAnAskTravels(t *testing.T) {
	got := make(chan *object.Ask, 1)
	deadlines := make(chan time.Duration, 1)
	client, _ := startPair(t, func(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
		got <- ask
		if d, ok := ctx.Deadline(); ok {
			deadlines <- time.Until(d)
		} else {
			deadlines <- 0
		}
		return nil, object.ErrNotHeld
	})
	note := object.Note{Council: [16]byte{1, 15: 2}, Applied: 77}
	asks := []*object.Ask{
		{Key: object.Key{Bucket: "b", Name: "//a/../ü\x00", Version: "3/L4kq"}},
		{Key: object.Key{Bucket: "b", Name: "k"}, HeadOnly: true, RequestID: "req-1", Suspect: object.Version{9, 15: 8}},
		{Key: object.Key{Bucket: "b", Name: "k"}, Wish: &object.Wish{NoStore: true, MaxAge: time.Minute, MaxStale: object.NoLimit, MinFresh: time.Second}},
		{Key: object.Key{Bucket: "b", Name: "k"}, OnlyIfHave: true, PassedOver: true, Floor: note, Range: object.Range{Kind: object.Suffix, Last: 3}},
		{
			Key: object.Key{Bucket: "b", Name: "k"}, Range: object.Range{Kind: object.FromTo, First: 5, Last: 6},
			Pin: &object.Pin{Version: object.Version{3}, Size: 7, ETag: `"e"`, Note: note},
		},
	}
	for _, want := range asks {
		if _, err := client.Open(t.Context(), "owner", want); !errors.Is(err, object.ErrNotHeld) {
			t.Fatal(err)
		}
		if ask := <-got; !reflect.DeepEqual(ask, want) {
			t.Errorf("the handler was asked %+v, want %+v", ask, want)
		}
		if d := <-deadlines; d != 0 {
			t.Errorf("a deadline in %v that the asker did not set", d)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if _, err := client.Open(ctx, "owner", asks[0]); !errors.Is(err, object.ErrNotHeld) {
		t.Fatal(err)
	}
	<-got
	if d := <-deadlines; d < 50*time.Minute || d > time.Hour {
		t.Errorf("the handler has %v of the asker's hour", d)
	}
}

func TestEveryFieldOfAnAnswerTravels(t *testing.T) {
	o := testObject(10)
	full := infoOf(o)
	full.Note = object.Note{Council: [16]byte{4}, Applied: 5}
	pinned := object.Info{Version: full.Version, Size: full.Size, ETag: full.ETag, Note: object.Note{Applied: 9}}
	pin := full.Pin()
	for _, c := range []struct {
		name      string
		ask       *object.Ask
		give      object.Answer
		wantInfo  object.Info
		wantBytes bool
	}{
		{"head", &object.Ask{HeadOnly: true}, object.Answer{Info: full, Source: object.SourceNone, Outcome: object.Revalidated, TTL: -time.Second}, full, false},
		{"miss", &object.Ask{}, object.Answer{Info: full, Length: 10, Source: object.SourceOrigin, Stored: true, Collapsed: true, TTL: time.Hour}, full, true},
		{"stale", &object.Ask{}, object.Answer{Info: full, Length: 10, Source: object.SourceDisk, Outcome: object.Stale, ForwardStatus: 503}, full, true},
		{"changed", &object.Ask{}, object.Answer{Info: full, Length: 10, Source: object.SourceOrigin, Changed: true, ForwardStatus: 200}, full, true},
		{"requested", &object.Ask{}, object.Answer{Info: full, Length: 10, Source: object.SourceDisk, Outcome: object.Revalidated, Requested: true, ForwardStatus: 304}, full, true},
		{"bypass", &object.Ask{}, object.Answer{Info: full, Length: 10, Source: object.SourceOrigin, Outcome: object.Bypass}, full, true},
		{
			"pinned", &object.Ask{Pin: &pin, Range: object.Range{Kind: object.FromTo, Last: 9}},
			object.Answer{Info: pinned, Length: 10, Source: object.SourceHot, Outcome: object.Hit},
			pinned, true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, _ := startPair(t, func(context.Context, *object.Ask) (*object.Answer, error) {
				a := c.give
				if c.wantBytes {
					a.Body = io.NopCloser(o.Reader())
				}
				return &a, nil
			})
			a, err := client.Open(t.Context(), "owner", c.ask)
			if err != nil {
				t.Fatal(err)
			}
			want := c.give
			want.Info, want.Source, want.OwnerSource = c.wantInfo, object.SourcePeer, c.give.Source
			if c.wantBytes {
				checkAnswer(t, a, o, 0, 10)
			}
			a.Body = nil
			if !reflect.DeepEqual(*a, want) {
				t.Errorf("answer %+v\nwant   %+v", *a, want)
			}
		})
	}
}

func TestErrorsTravelAsThemselves(t *testing.T) {
	origin := &object.OriginError{Status: 503, Code: "SlowDown", Message: "please", RetryAfter: 7}
	remembered := &object.OriginError{Status: 404, Code: "NoSuchKey", Remembered: 1500 * time.Millisecond}
	for _, c := range []struct{ give, want error }{
		{object.ErrGone, object.ErrGone},
		{object.ErrNotHeld, object.ErrNotHeld},
		{fmt.Errorf("hot set: %w", object.ErrBusy), object.ErrBusy},
		{object.ErrBroken, object.ErrBroken},
		{object.ErrUnknownBucket, object.ErrUnknownBucket},
		{object.ErrUnsatisfiableRange, object.ErrUnsatisfiableRange},
		{fmt.Errorf("get: %w", origin), origin},
		{remembered, remembered},
		{object.ErrUnreachable, object.ErrUnreachable},
		{errors.New("secret detail"), object.ErrUnreachable},
	} {
		t.Run(c.give.Error(), func(t *testing.T) {
			o := testObject(3 * maxDataBytes)
			set := metrics.NewSet()
			body := &script{closed: make(chan struct{})}
			s := startServer(t, ServerOptions{Handler: handlerFunc(func(ctx context.Context, ask *object.Ask) (*object.Answer, error) {
				if ask.RequestID == "at once" {
					return nil, c.give
				}
				body.steps = append(body.steps, gives(o, 0, maxDataBytes), fails(c.give))
				if ask.RequestID == "before any byte" {
					body.steps = body.steps[1:]
				}
				return &object.Answer{Info: infoOf(o), Length: o.Size, Body: body}, nil
			})})
			client := startClient(t, s.Addr().String(), ClientOptions{Metrics: set})
			for _, when := range []string{"at once", "before any byte"} {
				_, err := client.Open(t.Context(), "owner", &object.Ask{RequestID: when})
				checkError(t, err, c.want)
			}
			a, err := client.Open(t.Context(), "owner", &object.Ask{})
			if err != nil {
				t.Fatal(err)
			}
			n, err := o.CheckReader(a.Body, 0, o.Size)
			checkError(t, err, c.want)
			if n != maxDataBytes {
				t.Errorf("%d right bytes before the error, want %d", n, maxDataBytes)
			}
			a.Body.Close()
			if d := count(set, "rookery_peer_dials_total"); d != 1 {
				t.Errorf("%d connections, want all on the first", d)
			}
		})
	}
}

func checkError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		origin, ok := errors.AsType[*object.OriginError](got)
		if wanted, is := want.(*object.OriginError); !ok || !is || *origin != *wanted {
			t.Errorf("error %v, want %v", got, want)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	o := testObject(200_000)
	set := metrics.NewSet()
	s := startServer(t, ServerOptions{Handler: holder(o)})
	client := startClient(t, s.Addr().String(), ClientOptions{Metrics: set})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 10 {
				a, err := client.Open(t.Context(), "owner", &object.Ask{Key: keyOf(o)})
				if err != nil {
					t.Error(err)
					return
				}
				checkAnswer(t, a, o, 0, o.Size)
			}
		})
	}
	wg.Wait()
	dials, reused := count(set, "rookery_peer_dials_total"), count(set, "rookery_peer_reused_connections_total")
	if dials+reused != 160 || dials > 16 {
		t.Errorf("%d connections opened and %d reused for 160 reads by 16 readers", dials, reused)
	}
}
