package object

import "testing"

// The numbers go over the wire and the names into metrics: neither may change.
func TestSourcesAndOutcomes(t *testing.T) {
	for n, want := range []string{"none", "hot", "disk", "peer", "origin", "unknown"} {
		if got := Source(n).String(); got != want {
			t.Errorf("source %d: %q, want %q", n, got, want)
		}
	}
	for n, want := range []string{"MISS", "HIT", "STALE", "REVALIDATED", "BYPASS", "UNKNOWN"} {
		if got := Outcome(n).String(); got != want {
			t.Errorf("outcome %d: %q, want %q", n, got, want)
		}
	}
	if Whole != 0 || FromTo != 1 || Suffix != 2 {
		t.Error("the kinds of Range have moved")
	}
}

func TestOriginErrorTemporary(t *testing.T) {
	for status, want := range map[int]bool{404: false, 403: false, 429: true, 500: true, 503: true, 504: true} {
		if got := (&OriginError{Status: status}).Temporary(); got != want {
			t.Errorf("%d: temporary is %t", status, got)
		}
	}
}
