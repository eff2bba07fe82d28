package node

import (
	"sync"
	"time"

	"rookery/object"
)

// deafFor is how long a node that did not hear of a purge in the time that it had is
// not asked under it again: so one read a second waits for it, and not each.
const deafFor = time.Second

// deaf remembers which nodes have not heard of which purge. Safe for concurrent use.
type deaf struct {
	now func() time.Time

	mu    sync.Mutex
	nodes map[string]deafness // by name; no more than there are nodes
}

type deafness struct {
	floor object.Note // what it had not heard of
	until time.Time
}

func newDeaf(now func() time.Time) *deaf {
	return &deaf{now: now, nodes: make(map[string]deafness)}
}

// is notes that a node has not heard of the floor.
func (d *deaf) is(name string, floor object.Note) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.nodes[name] = deafness{floor, d.now().Add(deafFor)}
}

// to reports whether the node had not heard of the floor a moment ago.
func (d *deaf) to(name string, floor object.Note) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, ok := d.nodes[name]
	return ok && e.floor.Council == floor.Council && e.floor.Applied <= floor.Applied && d.now().Before(e.until)
}
