package admin

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"rookery/council"
	"rookery/purge"
)

const (
	purgePath  = "/admin/cache/purge"
	purgesPath = "/admin/cache/purges/"
)

// Purge is the answer to a purge, and to the question how far one is. It comes
// with 200 when the purge is complete, and with 202 until then.
type Purge struct {
	ID    string `json:"id"`
	Scope Scope  `json:"scope"`
	Soft  bool   `json:"soft,omitempty"`
	// Number is the purge's place in the council's log; 0 while there is no quorum
	// and this node keeps the purge for it.
	Number uint64 `json:"number"`
	// Complete: no node serves what was purged any more.
	Complete bool        `json:"complete"`
	Pending  []string    `json:"pending"` // the nodes that are waited for
	Nodes    []PurgeNode `json:"nodes"`
}

// PurgeNode is how far a purge is on one node.
type PurgeNode struct {
	Name    string `json:"name"`
	Applied bool   `json:"applied"`
	// Excused: it has not reported, but can hold no lease any more.
	Excused bool  `json:"excused,omitempty"`
	MS      int64 `json:"ms"` // from asking to its report, in milliseconds
}

// Scope is what a purge covers, in the form of the request: one of the fields but
// Bucket, or Bucket alone. Objects holds what one order purges in several buckets,
// as an event of S3 may, each as bucket:name.
type Scope struct {
	Bucket  string   `json:"bucket,omitempty"`
	Key     string   `json:"key,omitempty"`
	Keys    []string `json:"keys,omitempty"`
	Prefix  string   `json:"prefix,omitempty"`
	Tags    []string `json:"tags,omitempty"`
	All     bool     `json:"all,omitempty"`
	Objects []string `json:"objects,omitempty"`
}

// purge answers POST /admin/cache/purge.
func (h *handler) purge(w http.ResponseWriter, r *http.Request) {
	var ask purgeAsk
	err := noQuery(r)
	if err == nil {
		ask, err = h.readPurge(w, r)
	}
	h.order(w, r, &ask, err)
}

// purgeShort answers POST /admin/cache/purge/{bucket} and …/{bucket}/{key…}. The
// path has been decoded once, as the gateway decodes it: "+" is a plus, and "//",
// "." and ".." are parts of the key.
func (h *handler) purgeShort(w http.ResponseWriter, r *http.Request) {
	ask, err := h.readShortPurge(r)
	h.order(w, r, &ask, err)
}

// order hands a purge to the council, unless it was not understood.
func (h *handler) order(w http.ResponseWriter, r *http.Request, ask *purgeAsk, err error) {
	if err == nil {
		err = ask.order.Check()
	}
	if err != nil {
		badRequest(w, err)
		return
	}
	c := h.council(w)
	if c == nil {
		return
	}
	report, err := c.Purge(r.Context(), ask.order, ask.wait)
	if err != nil {
		h.councilFailed(w, fmt.Sprintf("purge %q", ask.order.ID), err)
		return
	}
	h.Log.Info("purge", "id", report.ID, "number", report.Number, "complete", report.Complete, "remote", r.RemoteAddr)
	writePurge(w, report)
}

// progress answers GET /admin/cache/purges/{id}.
func (h *handler) progress(w http.ResponseWriter, r *http.Request) {
	if err := noQuery(r); err != nil {
		badRequest(w, err)
		return
	}
	c := h.council(w)
	if c == nil {
		return
	}
	id := strings.TrimPrefix(r.URL.Path, purgesPath)
	report, err := c.Progress(r.Context(), id)
	if err != nil {
		h.councilFailed(w, fmt.Sprintf("purge %q", id), err)
		return
	}
	writePurge(w, report)
}

func writePurge(w http.ResponseWriter, r *council.Report) {
	status := http.StatusAccepted
	if r.Complete {
		status = http.StatusOK
	}
	writeJSON(w, status, purgeView(r))
}

func purgeView(r *council.Report) Purge {
	v := Purge{
		ID: r.ID, Scope: scopeView(r.Order.Scopes), Soft: r.Order.Soft, Number: r.Number,
		Complete: r.Complete, Pending: listed(r.Pending()), Nodes: make([]PurgeNode, len(r.Nodes)),
	}
	if r.Complete { // nobody is waited for any more, whoever has not reported
		v.Pending = []string{}
	}
	for i, n := range r.Nodes {
		v.Nodes[i] = PurgeNode{Name: n.Name, Applied: n.Applied, Excused: n.Excused, MS: n.Took.Milliseconds()}
	}
	return v
}

// scopeView puts an order's scopes back into the form that they were asked in.
func scopeView(scopes []purge.Scope) Scope {
	var v Scope
	for _, s := range scopes {
		switch s.Kind {
		case purge.All:
			return Scope{All: true}
		case purge.Prefix:
			v.Bucket, v.Prefix = s.Bucket, s.Name
		case purge.Tag:
			v.Bucket, v.Tags = s.Bucket, append(v.Tags, s.Name)
		case purge.Bucket:
			v.Bucket = s.Bucket
		case purge.Object:
			v.addObject(s, len(scopes) > 1)
		}
	}
	return v
}

func (v *Scope) addObject(s purge.Scope, many bool) {
	switch {
	case !many:
		v.Bucket, v.Key = s.Bucket, s.Name
	case len(v.Objects) == 0 && (v.Bucket == "" || v.Bucket == s.Bucket):
		v.Bucket, v.Keys = s.Bucket, append(v.Keys, s.Name)
	default: // a second bucket
		for _, name := range v.Keys {
			v.Objects = append(v.Objects, v.Bucket+":"+name)
		}
		v.Bucket, v.Keys = "", nil
		v.Objects = append(v.Objects, s.Bucket+":"+s.Name)
	}
}

// errWait says how long a request may wait.
var errWait = errors.New("wait must be a duration from 0s to " + maxWait.String() + `, such as "10s"`)

const (
	// defaultWait is how long a purge waits to be complete if it does not say.
	defaultWait = 2 * time.Second
	maxWait     = time.Minute
)

func parseWait(text string) (time.Duration, error) {
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 || wait > maxWait {
		return 0, errWait
	}
	return wait, nil
}
