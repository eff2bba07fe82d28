package audit

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

// The events.
const (
	Denied = "denied" // a read that was refused
	Read   = "read"   // a read that was not, of a bucket that is audited so
	Admin  = "admin"  // a call of an operator, refused or not
)

// Entry is one line. What does not apply is left out.
type Entry struct {
	Time      time.Time `json:"time"` // of the request's end; of its refusal
	Event     string    `json:"event"`
	Node      string    `json:"node"`
	RequestID string    `json:"request_id,omitempty"`
	Remote    string    `json:"remote"` // the client's address
	Method    string    `json:"method"`

	Bucket  string `json:"bucket,omitempty"`
	Action  string `json:"action,omitempty"` // read, list or buckets
	Key     string `json:"key,omitempty"`    // of a list its prefix
	Version string `json:"version,omitempty"`

	Scheme  string `json:"scheme,omitempty"` // by which the subject proved who it is
	Issuer  string `json:"issuer,omitempty"`
	Subject string `json:"subject,omitempty"`
	Reason  string `json:"reason,omitempty"` // of a refusal, as in rookery_denied_total

	Path   string `json:"path,omitempty"`  // of an operator's call, without its query
	Token  string `json:"token,omitempty"` // its fingerprint where it was the right one; else "refused" or "none"
	Status int    `json:"status,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
}

// maxFieldBytes of each text go into an entry.
const maxFieldBytes = 2048

// line is the entry as JSON, with its newline.
func (e *Entry) line() []byte {
	cut := *e
	for _, text := range []*string{
		&cut.RequestID, &cut.Remote, &cut.Method, &cut.Bucket, &cut.Key, &cut.Version, &cut.Scheme, &cut.Issuer, &cut.Subject, &cut.Reason, &cut.Path,
	} {
		if len(*text) > maxFieldBytes {
			*text = strings.ToValidUTF8((*text)[:maxFieldBytes], "") + string(utf8.RuneError)
		}
	}
	var b bytes.Buffer
	to := json.NewEncoder(&b)
	to.SetEscapeHTML(false)
	_ = to.Encode(&cut) // texts, numbers and a time can always be written
	return b.Bytes()
}
