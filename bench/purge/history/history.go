// Package history records what was done to a cluster and what it answered, and
// finds the answers that a purge had forbidden.
//
// The rule: a purge that was reported complete before a GET was asked binds that
// GET. It must be served the version that the origin had when the purge was asked
// for, or a newer one. So does a purge, complete or not, that the very node which
// is asked had in place before (but for absences, which nodes tell each other
// without a note). Staleness that no purge forbids is legal, and so is
// any answer that says it is an error; soft purges bind nobody. Beside that every
// answer must be one version, whole, and one that there has been.
//
// Nothing here reads a clock: a Recorder counts, and what one goroutine has seen
// end before another thing began has the lower number. So the check holds on a
// clock that stands still as well.
package history

import (
	"sync"
	"sync/atomic"

	"rookery/object"
	"rookery/purge"
)

// Moment is a place in the order of all that happened: what ended before another
// thing began has the lower one. The zero Moment is never.
type Moment int64

// Overwrite is one change of an object at the origin. The versions of a key rise,
// one change after the other.
type Overwrite struct {
	Key                object.Key
	Version            int      // from 1 on
	Tags               []string // that this version carries
	Deleted            bool     // there is no object from now on
	Invoked, Completed Moment
}

// Purge is one purge.
type Purge struct {
	Scopes []purge.Scope
	Soft   bool
	// Completed is when it was reported complete; never if it was not.
	Invoked, Completed Moment
	// Seen are nodes that were known to have it in place.
	Seen []Sight
	// Via says for people who was asked, and what became of it.
	Via string
}

// Sight is that a node had a purge in place.
type Sight struct {
	Node string
	At   Moment
}

// Get is one answer that was no error.
type Get struct {
	Key     object.Key
	Version int    // that was served; 0 when the answer was that there is no object
	Node    string // that was asked
	Invoked Moment
	// Completed is when the answer was known.
	Completed Moment
	// Wrong is why the answer is not one version, whole; "" if it is.
	Wrong string
	// Via says for people how the answer came about.
	Via string
}

// Recorder writes a history down. Its zero value is ready. Safe for concurrent
// use, but for Check, which comes last.
type Recorder struct {
	moment atomic.Int64

	mu         sync.Mutex
	overwrites map[object.Key][]Overwrite // by rising versions
	purges     []Purge
	gets       []Get
}

// Now returns the next moment: to be taken before something is asked for, and
// after it is known to be done.
func (r *Recorder) Now() Moment { return Moment(r.moment.Add(1)) }

// Overwrite notes a change. Who changes a key tells of it before the next change.
func (r *Recorder) Overwrite(o Overwrite) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.overwrites == nil {
		r.overwrites = make(map[object.Key][]Overwrite)
	}
	r.overwrites[o.Key] = append(r.overwrites[o.Key], o)
}

// Purge notes a purge, when it is known how it ended.
func (r *Recorder) Purge(p Purge) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.purges = append(r.purges, p)
}

// Get notes an answer.
func (r *Recorder) Get(g Get) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gets = append(r.gets, g)
}
