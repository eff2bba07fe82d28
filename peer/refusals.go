package peer

import (
	"log/slog"
	"sync"
	"time"
)

// refusalMemory is how long a client does not ask a node again that refused it:
// long enough to cost nothing, short enough to follow an upgrade.
const refusalMemory = 3 * time.Second

// refusals remembers which nodes do not read with this one, and tells the log
// once for each node and reason.
type refusals struct {
	now func() time.Time
	log *slog.Logger

	mu    sync.Mutex
	nodes map[string]*refused
}

type refused struct {
	why   *refusal
	until time.Time
	told  [reasons]bool
}

func newRefusals(now func() time.Time, log *slog.Logger) *refusals {
	return &refusals{now: now, log: log, nodes: make(map[string]*refused)}
}

// recall returns the refusal if node refused lately, or nil.
func (r *refusals) recall(node string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.nodes[node]; n != nil && r.now().Before(n.until) {
		return n.why
	}
	return nil
}

// note remembers a refusal by, or of, node.
func (r *refusals) note(node string, why *refusal) {
	r.mu.Lock()
	n := r.nodes[node]
	if n == nil {
		n = &refused{}
		r.nodes[node] = n
	}
	n.why, n.until = why, r.now().Add(refusalMemory)
	kind := min(why.why, reasons-1)
	told := n.told[kind]
	n.told[kind] = true
	r.mu.Unlock()
	if !told {
		r.log.Warn("peers do not read from each other", "peer", node, "reason", why.why.String())
	}
}

// forget is for a node that reads with this one (again).
func (r *refusals) forget(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.nodes, node)
}
