package node

import (
	"testing"

	"rookery/object"
)

// Who wants to hear it from S3 now joins a question that is not yet sent, which is
// then sent for sure: another one may be answered by what the store has by then.
func TestWhoWantsS3ToAnswerJoinsOnlyWhatIsSentToIt(t *testing.T) {
	n, _, w := joinKit(t)
	sent := n.moment.next()
	for name, c := range map[string]struct {
		call   call
		now    bool
		joined bool
	}{
		"unsent":                          {call{}, false, true},
		"unsent, for who is eager":        {call{}, true, true},
		"unsent, for who is not so eager": {call{need: need{now: true}}, false, true},
		"sent":                            {call{sent: sent, note: n.purges.Note()}, false, true},
		"sent, for who came later":        {call{sent: sent, note: n.purges.Note()}, true, false},
		"sent under another council":      {call{sent: sent, note: object.Note{Council: [16]byte{9}}}, false, false},
	} {
		before := &c.call
		before.done = make(chan struct{})
		n.mu.Lock()
		n.calls[w.key.Hash()] = before
		n.mu.Unlock()
		got, err := n.call(w.key, need{of: w.of, now: c.now, arrived: n.moment.now()})
		if err != nil || got.joined != c.joined {
			t.Errorf("%s: joined %v, want %v (%v)", name, got.joined, c.joined, err)
		}
		if c.joined && c.now && !before.now {
			t.Errorf("%s: it may yet be answered without S3", name)
		}
		close(before.done) // who waits for its answer goes on
		if !got.joined {
			<-got.done
		}
		n.letGo(got.call)
	}
}

// A former owner may be ahead of this node in what it knows of purges. Its note is
// taken no higher than this node's own: what lies between has judged nothing here.
func TestANoteFromAheadIsTakenAsThisNodesOwn(t *testing.T) {
	own := object.Note{Council: [16]byte{1}, Applied: 7}
	for name, c := range map[string]struct{ note, want object.Note }{
		"behind":        {object.Note{Council: own.Council, Applied: 5}, object.Note{Council: own.Council, Applied: 5}},
		"ahead":         {object.Note{Council: own.Council, Applied: 9}, own},
		"another's":     {object.Note{Council: [16]byte{2}, Applied: 9}, object.Note{Council: [16]byte{2}, Applied: 9}},
		"nobody's note": {object.Note{}, object.Note{}},
	} {
		if got := lower(c.note, own); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
