package clients

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestClients gives every client its stories: straight to S3, through a node that has
// nothing of it yet or not all, and through another, which gets it from the first or
// from its owner.
func TestClients(t *testing.T) {
	w := newWorld(t)
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if version, err := exec.Command(c.program, c.version...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", c.program, err, version)
			} else {
				t.Logf("%s", strings.SplitN(string(version), "\n", 2)[0])
			}
			for i, s := range c.stories {
				t.Run(s.name, func(t *testing.T) { w.compare(t, &c, s, i) })
			}
		})
	}
}

// compare tells a story to S3 and to a node, and to the other nodes where that costs
// little.
func (w *world) compare(t *testing.T, c *client, s story, turn int) {
	node := w.nodes[turn%len(w.nodes)]
	if s.refused != nil {
		got := c.tell(t, s, node)
		if got.code == 0 || !says(got.last, s.refused) || got.took > refusedWithin {
			t.Errorf("through %s it ended with %d after %s, want a refusal soon, with one of %q:\n%s", node.name, got.code, got.took, s.refused, got.said)
		}
		return
	}
	want := c.tell(t, s, w.direct)
	if (want.code != 0) != (s.fails != nil) || s.fails != nil && !says(want.last, s.fails) {
		t.Fatalf("at %s it ended with %d:\n%s", w.direct.name, want.code, want.said)
	}
	if s.last != nil && want.last != *s.last {
		t.Errorf("at %s the last command says %q, want %q", w.direct.name, want.last, *s.last)
	}
	got := c.tell(t, s, node)
	if got.code != want.code || got.said != want.said {
		t.Errorf("through %s (-) it ended with %d, at %s (+) with %d:\n%s", node.name, got.code, w.direct.name, want.code, difference(got.said, want.said))
	}
	if !maps.Equal(got.tree, want.tree) {
		t.Errorf("through %s there are files %v, at %s %v", node.name, got.tree, w.direct.name, want.tree)
	}
	if got.took > 5*want.took+refusedWithin {
		t.Errorf("through %s the last command took %s, at %s %s", node.name, got.took, w.direct.name, want.took)
	}
}

func says(text string, words []string) bool {
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}

// difference is the lines that one text has and the other has not.
func difference(a, b string) string {
	var out strings.Builder
	only := func(sign string, a, b []string) {
		for _, line := range a {
			if !slices.Contains(b, line) {
				out.WriteString(sign + line + "\n")
			}
		}
	}
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	only("- ", as, bs)
	only("+ ", bs, as)
	return out.String()
}
