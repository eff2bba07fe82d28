package nodes

import (
	"os"
	"testing"
)

func TestResidentBytes(t *testing.T) {
	now, err := ResidentBytes(os.Getpid())
	if err != nil || now < 1<<20 {
		t.Errorf("this process: %d, %v", now, err)
	}
	if peak, err := PeakBytes(os.Getpid()); err != nil || peak < now {
		t.Errorf("at most: %d, %v; now %d", peak, err, now)
	}
}
