package store

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSegmentShorterThanItsIndexSays cuts segment files, as a power cut may: the
// store opens, scrubs and reads, and what is left is right.
func TestSegmentShorterThanItsIndexSays(t *testing.T) {
	for _, length := range []int64{0, 1, 100, 4096, 100_000, 150_000} {
		opt := small(t.TempDir(), newClock())
		s := mustOpen(t, opt)
		things := []thing{newThing("a", "v", 60_000), newThing("b", "v", 60_000), newThing("c", "v", 60_000)}
		for _, o := range things {
			o.put(t, s)
		}
		files, err := filepath.Glob(filepath.Join(s.segmentDir(), "*"+segmentSuffix))
		if err != nil || len(files) == 0 {
			t.Fatalf("%d segments: %v", len(files), err)
		}
		mustClose(t, s)
		for _, f := range files {
			if err := os.Truncate(f, length); err != nil {
				t.Fatal(err)
			}
		}
		s = mustOpen(t, opt)
		for range 5 {
			s.tick()
		}
		for _, o := range things {
			if _, err := o.checkChunk(s, 0); err != nil {
				t.Error(err)
			}
			o.put(t, s)
			o.mustHave(t, s)
		}
		mustClose(t, s)
	}
}
