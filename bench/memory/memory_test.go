package main

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

func TestVerdict(t *testing.T) {
	o := options{clients: 2, rateMiB: 1, duration: 10 * time.Second, memoryMiB: 256, beyondMiB: 128}
	paced := o
	paced.originMiB = 1
	within, above := []resident{{max: 384 * mib}}, []resident{{max: 384 * mib}, {max: 384*mib + 1}}
	for name, c := range map[string]struct {
		o      options
		memory []resident
		read   readings
		want   bool
	}{
		"within":                    {o, within, readings{bytes: 20 * mib}, true},
		"one node above":            {o, above, readings{bytes: 20 * mib}, false},
		"not served":                {o, within, readings{bytes: 17 * mib}, false},
		"held up by a paced origin": {paced, within, readings{bytes: 17 * mib}, true},
		"a reader failed":           {o, within, readings{bytes: 20 * mib, failed: 1, err: errors.New("wrong byte")}, false},
	} {
		if got := report(io.Discard, c.o, c.memory, c.read, 0); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := pace{bytesPerSecond: 1000, next: start}
		read := func(n int) {
			if err := p.wait(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			read(500)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("5000 bytes took %s, want 5s", took)
		}
		time.Sleep(10 * time.Second)
		start = time.Now()
		read(1000)
		if took := time.Since(start); took != time.Second-maxCatchUp {
			t.Errorf("after a stop 1000 bytes took %s, want %s", took, time.Second-maxCatchUp)
		}
	})
}
