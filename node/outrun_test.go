package node_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"rookery/internal/pattern"
	"rookery/object"
	"rookery/purge"
)

// purgedScopes are those that cover the object of the tests below.
var purgedScopes = map[string]purge.Scope{
	"object": object1("k"), "prefix": {Kind: purge.Prefix, Bucket: bucket, Name: "k"}, "tag": tagged("red"),
	"bucket": {Kind: purge.Bucket, Bucket: bucket}, "all": everything,
}

// etags are those of the two versions of the object. With equal ones S3 has other
// bytes under the same promise, which a purge is the only way out of.
var etags = map[string][2]string{"strong": {`"1"`, `"2"`}, "the same": {`"1"`, `"1"`}, "weak": {`W/"1"`, `W/"2"`}, "none": {}}

// What S3 is asked when a purge arrives is not kept, and a reader that comes after
// the purge does not wait for it; the reader that came before has its answer.
// Whichever of the two answers comes first.
func TestAFlightThatAPurgeOutrunsIsNobodysWhoCameAfterIt(t *testing.T) {
	for what, ask := range map[string]*object.Ask{"info": head("k"), "whole": get("k"), "part": getRange("k", 10, mib+10)} {
		for scope, s := range purgedScopes {
			for kind, etag := range etags {
				for _, size := range []int64{100_000, 2*mib + 5} {
					for _, oldFirst := range []bool{true, false} {
						if what == "info" && size > mib {
							continue
						}
						if what == "part" && (size < mib || !object.StrongETag(etag[0])) {
							continue // a small object and a weak one are asked for whole
						}
						name := fmt.Sprintf("%s/%s/%s/%d/the old first %v", what, scope, kind, size, oldFirst)
						t.Run(name, func(t *testing.T) { testOutrun(t, ask, s, etag, size, oldFirst, false) })
					}
				}
			}
		}
	}
}

// The same where the purge has been forgotten again: a mark stands in its place.
func TestAFlightBelowATrimMarkIsNobodysWhoCameAfterThePurge(t *testing.T) {
	for scope, s := range purgedScopes {
		for what, ask := range map[string]*object.Ask{"info": head("k"), "whole": get("k")} {
			for _, kind := range []string{"strong", "weak"} {
				if s.Kind != purge.Bucket && s.Kind != purge.All { // which are not forgotten
					t.Run(what+"/"+scope+"/"+kind, func(t *testing.T) { testOutrun(t, ask, s, etags[kind], 100_000, true, true) })
				}
			}
		}
	}
}

func testOutrun(t *testing.T, ask *object.Ask, scope purge.Scope, etag [2]string, size int64, oldFirst, trimmed bool) {
	n, s3, state := newHeld(t)
	old := heldObject{pattern.Object{Bucket: bucket, Key: "k", Version: "1", Size: size}, etag[0], "red"}
	now := heldObject{pattern.Object{Bucket: bucket, Key: "k", Version: "2", Size: size}, etag[1], "red"}
	s3.put(old)
	s3.hold(true)
	before := old.Object
	if etag[0] == etag[1] && object.StrongETag(etag[0]) {
		before.Version = "" // equal ETags are one version to who came before the purge
	}
	first := n.background(ask, before)
	letOld := s3.next(t)
	if ask.Range.Kind == object.FromTo { // a HEAD, and then the part
		letOld()
		letOld = s3.next(t)
	}
	s3.put(now)
	apply(state, false, scope)
	if trimmed {
		number := state.Note().Applied
		state.Trim(number+1, bucket, number)
	}
	second := n.background(ask, now.Object)
	var later []func()
	if scope.Kind != purge.Tag || trimmed || ask.Range.Kind == object.FromTo { // else nobody knows its tags yet, and it waits
		later = append(later, s3.next(t))
	} else {
		eventually(t, "the second reader waits for the first one's answer", func() bool { return n.Readers(ask.Key) == 2 })
	}
	s3.hold(false)
	if oldFirst || len(later) == 0 {
		letOld()
		first.end(t, "the reader before the purge")
	}
	for _, let := range later {
		let()
	}
	second.end(t, "the reader after the purge")
	if !oldFirst && len(later) > 0 {
		letOld()
		first.end(t, "the reader before the purge")
	}
	n.Settle()
	n.flightsEnd(t)
	s3.requests()
	n.read(t, ask, now.Object)
	if asked := s3.requests(); len(asked) != 0 && ask.Range.Kind != object.FromTo {
		t.Errorf("S3 was asked again for what the second reader got: %v", asked)
	}
	n.read(t, get("k"), now.Object)
}

// The same for an absence: who comes after the purge finds what S3 has by then,
// and the absence is not remembered.
func TestAnAbsenceThatAPurgeOutrunsIsNotRemembered(t *testing.T) {
	n, s3, state := newHeld(t)
	now := heldObject{pattern.Object{Bucket: bucket, Key: "k", Version: "2", Size: 10}, `"2"`, ""}
	s3.hold(true)
	first := n.background(get("k"), now.Object)
	letOld := s3.next(t)
	s3.put(now)
	apply(state, false, object1("k"))
	second := n.background(get("k"), now.Object)
	s3.next(t)()
	second.end(t, "the reader after the purge")
	letOld()
	if err := <-first.ended; err == nil {
		t.Error("the reader before the purge got what was not there when S3 was asked")
	}
	s3.hold(false)
	n.Settle()
	s3.requests()
	n.read(t, get("k"), now.Object)
	if asked := s3.requests(); len(asked) != 0 {
		t.Errorf("S3 was asked again: %v", asked)
	}
}

// Who waits for the answer before its own is not told of an absence that a purge has
// outrun, though others who wait for the same came before the purge.
func TestAnAbsenceThatAPurgeOutrunsIsNotPassedOn(t *testing.T) {
	n, s3, state := newHeld(t)
	s3.put(heldObject{self("k", "1", 1000), `"1"`, ""})
	n.read(t, get("k"), self("k", "1", 1000))
	n.flightsEnd(t)
	apply(state, true, object1("k")) // now each asks S3
	s3.delete("k")
	s3.hold(true)
	first := make(chan error, 1)
	go func() {
		_, err := n.Open(context.Background(), get("k"))
		first <- err
	}()
	let := s3.next(t) // it is told that there is nothing
	waiting := make(chan error, 1)
	go func() {
		a, err := n.Open(context.Background(), get("k"))
		if err == nil {
			err = drain(a)
		}
		waiting <- err
	}()
	eventually(t, "another waits for the next answer", func() bool { return n.Waiting(get("k").Key) == 2 })
	now := heldObject{self("k", "2", 1000), `"2"`, ""}
	s3.put(now)
	apply(state, false, object1("k"))
	after := n.background(get("k"), now.Object)
	eventually(t, "a third waits with it", func() bool { return n.Waiting(get("k").Key) == 3 })
	s3.hold(false)
	let()
	after.end(t, "who came after the purge")
	<-first
	<-waiting
}

// A purge of something else separates nobody.
func TestAPurgeOfSomethingElseOutrunsNothing(t *testing.T) {
	n, s3, state := newHeld(t)
	o := heldObject{pattern.Object{Bucket: bucket, Key: "k", Version: "1", Size: 2 * mib}, `"1"`, "red"}
	s3.put(o)
	s3.hold(true)
	first := n.background(get("k"), o.Object)
	let := s3.next(t)
	apply(state, false, object1("l"), tagged("blue"), purge.Scope{Kind: purge.Bucket, Bucket: "other"})
	second := n.background(get("k"), o.Object)
	s3.hold(false)
	let()
	first.end(t, "the first")
	second.end(t, "the second")
	n.flightsEnd(t)
	n.read(t, get("k"), o.Object)
	if asked := s3.requests(); !slices.Equal(asked, []string{"GET k"}) {
		t.Errorf("S3 was asked %v, want one GET", asked)
	}
}

// What S3 was asked for before a purge is not kept, however long it takes, also when
// nobody asks meanwhile: an object, and an absence.
func TestWhatIsInFlightWhenAPurgeComesIsNotKept(t *testing.T) {
	for what, ask := range map[string]*object.Ask{"info": head("k"), "whole": get("k")} {
		for scope, s := range purgedScopes {
			for kind, etag := range etags {
				t.Run(what+"/"+scope+"/"+kind, func(t *testing.T) {
					n, s3, state := newHeld(t)
					old, now := heldObject{self("k", "1", 1000), etag[0], "red"}, heldObject{self("k", "2", 1000), etag[1], "red"}
					s3.put(old)
					s3.hold(true)
					first := n.background(ask, old.Object)
					let := s3.next(t)
					s3.put(now)
					apply(state, false, s)
					s3.hold(false)
					let()
					first.end(t, "the reader before the purge")
					n.Settle()
					n.flightsEnd(t)
					s3.requests()
					n.read(t, get("k"), now.Object)
					if asked := s3.requests(); !slices.Equal(asked, []string{"GET k"}) {
						t.Errorf("S3 was asked %v, want one GET", asked)
					}
				})
			}
		}
	}
	n, s3, state := newHeld(t)
	s3.hold(true)
	none := make(chan error, 1)
	go func() {
		_, err := n.Open(context.Background(), get("k"))
		none <- err
	}()
	let := s3.next(t)
	now := heldObject{self("k", "2", 1000), `"2"`, ""}
	s3.put(now)
	apply(state, false, object1("k"))
	s3.hold(false)
	let()
	if err := <-none; err == nil {
		t.Error("there was nothing when S3 was asked")
	}
	n.Settle()
	n.read(t, get("k"), now.Object)
}
