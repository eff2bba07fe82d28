package main

import (
	"fmt"
	"sync"
	"time"

	"rookery/bench/nodes"
)

// resident is what the samples of one node came to.
type resident struct {
	name      string
	last, max int64 // bytes
	samples   int
}

// watcher samples the nodes' resident memory until it is stopped.
type watcher struct {
	quit chan struct{}
	done sync.WaitGroup
	all  []resident
	err  error
}

// watch begins to sample.
func watch(all []*nodes.Process, every time.Duration) *watcher {
	w := &watcher{quit: make(chan struct{}), all: make([]resident, len(all))}
	w.done.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for w.err == nil {
			w.err = w.sample(all)
			select {
			case <-tick.C:
			case <-w.quit:
				return
			}
		}
	})
	return w
}

// stop ends the sampling. It fails if a node could not be sampled: it had ended.
func (w *watcher) stop() ([]resident, error) {
	close(w.quit)
	w.done.Wait()
	return w.all, w.err
}

func (w *watcher) sample(all []*nodes.Process) error {
	for i, n := range all {
		bytes, err := nodes.ResidentBytes(n.Pid())
		if err != nil {
			return fmt.Errorf("%s: %w", n.Name, err)
		}
		r := &w.all[i]
		r.name, r.last, r.max, r.samples = n.Name, bytes, max(r.max, bytes), r.samples+1
	}
	return nil
}
