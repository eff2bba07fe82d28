package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"rookery/purge"
)

const (
	eventsPath = "/admin/events/s3"
	// maxRecords bounds the events of one request.
	maxRecords = 1000
)

// Events is the answer of POST /admin/events/s3: what became of the records.
type Events struct {
	Records    int      `json:"records"`
	Purged     int      `json:"purged"`
	Duplicates int      `json:"duplicates"` // seen before, to the byte
	Ignored    int      `json:"ignored"`    // change no object, or none of our buckets
	IDs        []string `json:"ids"`        // of the purges, which may cover others' events too; GET /admin/cache/purges/{id} follows them
}

// events answers POST /admin/events/s3. It says 200 only when the purges are
// committed or durably kept, so that a sender that tries again until then loses
// none. A record that cannot be read keeps back no other.
func (h *handler) events(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(w, r)
	var records []json.RawMessage
	if err == nil {
		records, err = h.openEnvelope(body)
	}
	if err != nil {
		badRequest(w, err)
		return
	}
	b := h.sort(records)
	ids, err := h.purgeBatch(r, &b)
	switch {
	case err != nil:
		h.Log.Warn("events of S3 could not be kept; the sender is to try again", "records", len(records), "err", err)
		refuse(w, http.StatusServiceUnavailable, codeUnavailable, "the purges could not be kept, send them again: "+err.Error())
	case b.malformed != nil:
		badRequest(w, fmt.Errorf("%w; the other records are done", b.malformed))
	default:
		writeJSON(w, http.StatusOK, Events{
			Records: len(records), Purged: b.purged, Duplicates: b.duplicates, Ignored: b.ignored, IDs: listed(ids),
		})
	}
}

// openEnvelope returns the records of a message: of S3's or MinIO's own, or of one
// that SNS has put into its envelope. Messages that S3 and SNS send to try the way
// have none.
func (h *handler) openEnvelope(body []byte) ([]json.RawMessage, error) {
	m, err := parseMessage(body)
	if err != nil {
		return nil, err
	}
	switch m.Type {
	case "Notification":
		if m, err = parseMessage([]byte(m.Message)); err != nil {
			return nil, fmt.Errorf("the Message of SNS: %w", err)
		}
	case "SubscriptionConfirmation", "UnsubscribeConfirmation":
		// Never fetched: whoever can write here must not make this node send requests.
		h.Log.Info("SNS asks for a confirmation: open the URL to give it", "type", m.Type,
			"topic", clip(m.TopicArn), "SubscribeURL", clip(m.SubscribeURL))
		return nil, nil
	}
	switch {
	case m.Event == "s3:TestEvent":
		h.Log.Info("test event of S3", "bucket", clip(m.Bucket))
		return nil, nil
	case m.Records == nil:
		return nil, errors.New("no Records: this is no event of S3")
	case len(m.Records) > maxRecords:
		return nil, fmt.Errorf("%d records: send at most %d at once", len(m.Records), maxRecords)
	}
	return m.Records, nil
}

// clip bounds what a stranger's text adds to the log.
func clip(s string) string { return s[:min(len(s), 2048)] }

// batch is what the records of one message come to.
type batch struct {
	scopes     []purge.Scope
	marks      []eventMark // of the events behind the scopes
	purged     int
	duplicates int
	ignored    int
	malformed  error // the first record that could not be read
}

// sort decides what each record is. A duplicate is one whose purge has been kept
// already: it tells of no further change. An event that merely seems older than
// another is none, whatever its sequencer: events come out of order, and senders
// differ in what the sequencer counts (MinIO's is the object's own time).
func (h *handler) sort(records []json.RawMessage) batch {
	var b batch
	here := make(map[eventMark]bool, len(records))
	covered := make(map[purge.Scope]bool, len(records))
	origins := h.Settings().origins
	for i, raw := range records {
		e, err := parseEvent(raw)
		routes := origins[e.bucket]
		switch {
		case err != nil:
			h.met.malformed.Inc()
			if b.malformed == nil {
				b.malformed = fmt.Errorf("record %d: %w", i, err)
			}
		case !e.changes || len(routes) == 0:
			b.ignored++
		case e.exact && (here[e.mark] || h.seen.has(e.mark)):
			b.duplicates++
		default:
			b.purged++
			here[e.mark] = true
			b.add(e, routes, covered)
		}
	}
	return b
}

// add puts an event's object into the batch, in each of the buckets that show it.
func (b *batch) add(e event, routes []string, covered map[purge.Scope]bool) {
	if e.exact {
		b.marks = append(b.marks, e.mark)
	}
	for _, bucket := range routes {
		s := purge.Scope{Kind: purge.Object, Bucket: bucket, Name: e.name}
		if !covered[s] {
			covered[s] = true
			b.scopes = append(b.scopes, s)
		}
	}
}

// purgeBatch gives the batch to the council, and only then takes its events for
// seen.
func (h *handler) purgeBatch(r *http.Request, b *batch) (ids []string, err error) {
	if len(b.scopes) > 0 {
		if ids, err = h.gatherer.purge(r.Context(), b.scopes); err != nil {
			return nil, err
		}
	}
	h.seen.add(b.marks)
	h.met.purged.Add(b.purged)
	h.met.duplicates.Add(b.duplicates)
	h.met.ignored.Add(b.ignored)
	return ids, nil
}
