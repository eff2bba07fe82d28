package node

import (
	"testing"

	"rookery/object"
)

// Who wants to hear it from S3 now joins a question that is not yet sent only if it
// will be: another one may be answered by what the store has by then.
func TestWhoWantsS3ToAnswerJoinsOnlyWhatIsSentToIt(t *testing.T) {
	n, _, w := joinKit(t)
	for name, c := range map[string]struct {
		call   call
		now    bool
		answer bool
	}{
		"unsent":                          {call{}, false, true},
		"unsent, which may not be sent":   {call{}, true, false},
		"unsent, which will be":           {call{now: true}, true, true},
		"unsent, for who is not so eager": {call{now: true}, false, true},
		"sent":                            {call{sent: true, note: n.purges.Note()}, false, true},
		"sent, for who came later":        {call{sent: true, now: true, note: n.purges.Note()}, true, false},
		"sent under another council":      {call{sent: true, note: object.Note{Council: [16]byte{9}}}, false, false},
	} {
		c.call.done = make(chan struct{})
		if got := n.answers(&c.call, w.key, need{now: c.now}); got != c.answer {
			t.Errorf("%s: joined %v, want %v", name, got, c.answer)
		}
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
