package admin

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"rookery/council"
	"rookery/purge"
)

// Council keeps the order of purges and knows who counts. *council.Council is one.
type Council interface {
	// Purge returns when the order is complete, or wait has passed since it was
	// committed or durably kept. Its errors are council's: ErrConflict, ErrNoCouncil.
	Purge(ctx context.Context, o purge.Order, wait time.Duration) (*council.Report, error)
	// PurgeMany is Purge for many orders that share one entry of the log.
	PurgeMany(ctx context.Context, orders []purge.Order, wait time.Duration) ([]*council.Report, error)
	// Progress returns how far a purge is; ErrUnknown if there is none of that id.
	Progress(ctx context.Context, id string) (*council.Report, error)
	Status() council.Status
	// Forget removes a member; ErrNoMember if there is none of that name, ErrAlive if
	// it is there. It takes as long as the member may still hold a lease.
	Forget(ctx context.Context, name string) error
	// Found starts a council with a new id, of which this node is the first voter.
	Found(ctx context.Context) error
}

// CouncilView is what the answering node knows of its council.
type CouncilView struct {
	ID     string   `json:"id"`     // hex; "" if it has heard from none
	Leader string   `json:"leader"` // "" if there is none, or it is not known
	Voters []string `json:"voters"`
	// Members are the voters and the others: every node whose report a purge
	// waits for.
	Members []string `json:"members"`
	Term    uint64   `json:"term"`
	Applied uint64   `json:"applied"` // by this node's own floors
	Commit  uint64   `json:"commit"`  // as far as this node knows
	// WaitingPurges is how many purges this node keeps until there is a quorum.
	WaitingPurges int `json:"waiting_purges"`
}

// Lease says whether the answering node may serve hits without asking S3.
type Lease struct {
	Held  bool       `json:"held"`
	Until *time.Time `json:"until"` // null if it never held one
}

func (h *handler) councilView() CouncilView {
	if h.Council == nil {
		return CouncilView{Voters: []string{}, Members: []string{}}
	}
	s := h.Council.Status()
	v := CouncilView{
		Leader: s.Leader, Voters: listed(s.Voters), Members: listed(s.Members),
		Term: s.Term, Applied: s.Applied, Commit: s.Commit, WaitingPurges: s.Waiting,
	}
	if s.ID != ([16]byte{}) {
		v.ID = hex.EncodeToString(s.ID[:])
	}
	return v
}

func (h *handler) lease() Lease {
	if h.LeaseEnd == nil {
		return Lease{}
	}
	end := h.LeaseEnd()
	if end.IsZero() {
		return Lease{}
	}
	until := end.UTC()
	return Lease{Held: h.Now().Before(end), Until: &until}
}

// council returns the node's council, or answers 503 and returns nil.
func (h *handler) council(w http.ResponseWriter) Council {
	if h.Council == nil {
		writeError(w, http.StatusServiceUnavailable, codeNoCouncil, "this node has no council")
	}
	return h.Council
}

// councilFailed answers with an error of the council. doing is what was asked.
func (h *handler) councilFailed(w http.ResponseWriter, doing string, err error) {
	for _, known := range []struct {
		err    error
		status int
		code   string
	}{
		{purge.ErrOrder, http.StatusBadRequest, codeBadRequest},
		{council.ErrConflict, http.StatusConflict, codeConflict},
		{council.ErrUnknown, http.StatusNotFound, codeUnknownPurge},
		{council.ErrNoMember, http.StatusNotFound, codeUnknownMember},
		{council.ErrAlive, http.StatusConflict, codeMemberAlive},
		{council.ErrLeader, http.StatusConflict, codeConflict},
		{council.ErrNoCouncil, http.StatusServiceUnavailable, codeNoCouncil},
	} {
		if errors.Is(err, known.err) {
			refuse(w, known.status, known.code, err.Error()) // which names what it is about
			return
		}
	}
	h.Log.Warn("the council failed an operator", "doing", doing, "err", err)
	refuse(w, http.StatusServiceUnavailable, codeUnavailable, doing+": "+err.Error())
}

// refuse is writeError, which tells whoever meets a 503 when to come back.
func refuse(w http.ResponseWriter, status int, code, message string) {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeError(w, status, code, message)
}

// Forgotten is the answer of POST /admin/forget.
type Forgotten struct {
	Forgotten string `json:"forgotten"`
}

// forget removes a member that will not come back, so that no purge waits for it
// and it counts no more for a quorum.
func (h *handler) forget(w http.ResponseWriter, r *http.Request) {
	var name string
	err := noQuery(r)
	if err == nil {
		name, err = readForget(w, r)
	}
	if err != nil {
		badRequest(w, err)
		return
	}
	c := h.council(w)
	if c == nil {
		return
	}
	if err := c.Forget(r.Context(), name); err != nil {
		h.councilFailed(w, "remove a member", err)
		return
	}
	h.Log.Info("member forgotten", "name", name, "remote", r.RemoteAddr)
	writeJSON(w, http.StatusOK, Forgotten{Forgotten: name})
}

func readForget(w http.ResponseWriter, r *http.Request) (name string, err error) {
	fields, err := readFields(w, r)
	if err != nil {
		return "", err
	}
	err = fields.read("name", &name)
	switch {
	case err != nil:
		return "", err
	case name == "":
		return "", errors.New(`the body must be {"name": "…"}, with a member's name`)
	}
	return name, fields.unknown()
}

// found starts a new council where the old one has lost its quorum for good.
func (h *handler) found(w http.ResponseWriter, r *http.Request) {
	if err := errors.Join(noQuery(r), noBody(r)); err != nil {
		badRequest(w, err)
		return
	}
	c := h.council(w)
	if c == nil {
		return
	}
	if leader := c.Status().Leader; leader != "" {
		// Two councils at once would each call purges complete that the other's nodes
		// have never heard of.
		writeError(w, http.StatusConflict, codeCouncilAlive,
			"the council is not lost: "+leader+" leads it; a new one beside it would split the cluster")
		return
	}
	if err := c.Found(r.Context()); err != nil {
		h.councilFailed(w, "start a new council", err)
		return
	}
	v := h.councilView()
	h.Log.Warn("new council started", "id", v.ID, "remote", r.RemoteAddr)
	writeJSON(w, http.StatusOK, v)
}

// Draining is the answer of POST /admin/drain.
type Draining struct {
	Draining bool `json:"draining"`
}

// drain takes the node out of the ring and ends it. 202: it goes on for a while.
func (h *handler) drain(w http.ResponseWriter, r *http.Request) {
	if err := errors.Join(noQuery(r), noBody(r)); err != nil {
		badRequest(w, err)
		return
	}
	if h.Drain == nil {
		refuse(w, http.StatusServiceUnavailable, codeUnavailable, "this node cannot be drained from here: end its process")
		return
	}
	h.Log.Info("drain asked for", "remote", r.RemoteAddr)
	h.Drain()
	writeJSON(w, http.StatusAccepted, Draining{Draining: true})
}
