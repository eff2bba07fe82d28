package node_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"rookery/internal/s3test"
	"rookery/object"
)

// The memory of documents is bounded: what is kept gives way, and what is sent is
// counted until its reader has let go.
func TestDocumentsAreBounded(t *testing.T) {
	c := newCluster(t, []string{"a"}, lists(time.Minute), func(c *testCluster) {
		c.timeout = 10 * time.Second
	})
	n := c.nodes["a"]
	large := "<ListBucketResult><Name>b</Name><Filler>" + strings.Repeat("x", 1500<<10) + "</Filler></ListBucketResult>"
	c.s3.Everything(&s3test.Step{Text: large})
	var open []*object.Answer
	for i := range 8 {
		a, err := n.Query(t.Context(), listOf(fmt.Sprint(i)), nil)
		if err != nil {
			if !errors.Is(err, object.ErrBusy) {
				t.Fatal(err)
			}
			break
		}
		open = append(open, a)
		if held := n.Documents(); held > 8<<20 {
			t.Fatalf("%d bytes are held", held)
		}
	}
	if len(open) < 4 || len(open) > 5 {
		t.Fatalf("%d documents of 1.5 MiB are in 8 MiB at once", len(open))
	}
	for _, a := range open {
		a.Body.Close()
		a.Body.Close() // a second time gives nothing back
	}
	if held := n.Documents(); held > 4<<20 || held < 3_000_000 {
		t.Errorf("%d bytes are kept, want two lists", held)
	}
	c.s3.Everything(&s3test.Step{Text: "<ListBucketResult><Name>b</Name>" + strings.Repeat(" ", object.MaxDocumentBytes) + "</ListBucketResult>"})
	if _, _, err := n.ask(t.Context(), listOf("too large"), nil); !errors.Is(err, object.ErrBroken) {
		t.Errorf("too large a list: %v", err)
	}
}
