package admin

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/VictoriaMetrics/metrics"

	"rookery/object"
)

// message is what S3, SNS and MinIO send. Of each sender's fields only those that
// matter here are read, and unknown ones are theirs to add
// (docs.aws.amazon.com, "Event message structure" and "Parsing Amazon SNS message
// formats").
type message struct {
	Records []json.RawMessage
	// S3's test event.
	Event, Bucket string
	// SNS.
	Type, Message, SubscribeURL, TopicArn string
}

func parseMessage(body []byte) (message, error) {
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return m, malformed(err)
	}
	return m, nil
}

// event is one record: what happened to which object.
type event struct {
	changes bool   // S3 may answer for the object otherwise now
	bucket  string // at S3
	name    string
	mark    eventMark
	// exact: two records with this mark are one event that was delivered twice.
	exact bool
}

// eventMark names a record by what it says, to the byte: 128 bits of its SHA-256.
type eventMark [16]byte

// changing are the kinds of events after which S3 may give another answer to a GET
// or HEAD of the object: others bytes or headers, none, or another refusal. Moves
// between storage classes are not among them: the bytes stay, and reading them
// anew from an archive would fail or cost a retrieval.
var changing = map[string]bool{
	"ObjectCreated":       true,
	"ObjectRemoved":       true,
	"LifecycleExpiration": true,
	"ObjectRestore":       true,
	"ObjectTagging":       true, // policies may depend on tags
	"ObjectAcl":           true,
}

func parseEvent(raw json.RawMessage) (event, error) {
	var r struct {
		EventName string
		S3        struct {
			Bucket struct{ Name string }
			Object struct{ Key, Sequencer string }
		}
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return event{}, malformed(err)
	}
	// "ObjectCreated:Put" as S3 writes it, "s3:ObjectCreated:Put" as MinIO does.
	kind, _, _ := strings.Cut(strings.TrimPrefix(r.EventName, "s3:"), ":")
	e := event{changes: changing[kind], bucket: r.S3.Bucket.Name}
	switch {
	case kind == "":
		return event{}, errors.New("no eventName")
	case !e.changes:
		return e, nil
	case e.bucket == "" || r.S3.Object.Key == "":
		return event{}, errors.New("no name of a bucket or no key of an object")
	}
	var err error
	if e.name, err = url.QueryUnescape(r.S3.Object.Key); err != nil {
		return event{}, fmt.Errorf("the key is not form-encoded: %w", err)
	}
	if len(e.name) > object.MaxNameBytes || !utf8.ValidString(e.name) {
		return event{}, fmt.Errorf("the key is not UTF-8 of at most %d bytes", object.MaxNameBytes)
	}
	// Without a sequencer two events could be alike in every byte: the same bytes
	// written twice in a second, with others in between.
	e.exact = r.S3.Object.Sequencer != ""
	sum := sha256.Sum256(raw)
	e.mark = eventMark(sum[:len(e.mark)])
	return e, nil
}

// maxSeen is how many events are remembered: about a minute of them at the rate
// that must be held up. What is delivered again later is purged again.
const maxSeen = 1 << 16

// seen are the last events whose purges were kept.
type seen struct {
	mu    sync.Mutex
	marks map[eventMark]struct{}
	ring  []eventMark // the same, in the order of coming
	next  int         // the oldest, once the ring is full
}

func (s *seen) has(m eventMark) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.marks[m]
	return ok
}

func (s *seen) add(marks []eventMark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range marks {
		s.remember(m)
	}
}

// remember takes one mark and forgets the oldest where there are too many. mu is
// held.
func (s *seen) remember(m eventMark) {
	if _, again := s.marks[m]; again { // the same event, in two requests at once
		return
	}
	if s.marks == nil {
		s.marks = make(map[eventMark]struct{})
	}
	s.marks[m] = struct{}{}
	if len(s.ring) < maxSeen {
		s.ring = append(s.ring, m)
		return
	}
	delete(s.marks, s.ring[s.next])
	s.ring[s.next] = m
	s.next = (s.next + 1) % maxSeen
}

// eventMeter counts records by what became of them.
type eventMeter struct{ purged, duplicates, ignored, malformed *metrics.Counter }

func newEventMeter(set *metrics.Set) eventMeter {
	if set == nil {
		set = metrics.NewSet()
	}
	outcome := func(name string) *metrics.Counter {
		return set.NewCounter(fmt.Sprintf("rookery_s3_events_total{outcome=%q}", name))
	}
	return eventMeter{outcome("purged"), outcome("duplicate"), outcome("ignored"), outcome("malformed")}
}
