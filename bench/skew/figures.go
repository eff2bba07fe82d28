package main

import (
	"fmt"
	"time"

	"rookery/bench/nodes"
)

// figures are what one run showed.
type figures struct {
	requests int64
	cpu      time.Duration // of all nodes
	busiest  float64       // the busiest node's part of it
}

// usage is each node's processor time so far.
func usage(all []*nodes.Process) ([]time.Duration, error) {
	used := make([]time.Duration, len(all))
	for i, n := range all {
		var err error
		if used[i], err = nodes.CPU(n.Pid()); err != nil {
			return nil, err
		}
	}
	return used, nil
}

func newFigures(before, after []time.Duration, requests int64) figures {
	f := figures{requests: requests}
	var most time.Duration
	for i := range after {
		used := after[i] - before[i]
		f.cpu += used
		most = max(most, used)
	}
	f.busiest = float64(most) / float64(f.cpu)
	return f
}

// perRequest is the processor time of one request in microseconds.
func (f figures) perRequest() float64 {
	return float64(f.cpu.Microseconds()) / float64(f.requests)
}

func (f figures) String() string {
	return fmt.Sprintf("%d requests, %.1f CPU µs each (%.0f a CPU second), the busiest node %.1f %%",
		f.requests, f.perRequest(), 1e6/f.perRequest(), 100*f.busiest)
}
