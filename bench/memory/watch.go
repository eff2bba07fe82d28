package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
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
func watch(nodes []*nodeProcess, every time.Duration) *watcher {
	w := &watcher{quit: make(chan struct{}), all: make([]resident, len(nodes))}
	w.done.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for w.err == nil {
			w.err = w.sample(nodes)
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

func (w *watcher) sample(nodes []*nodeProcess) error {
	for i, n := range nodes {
		bytes, err := residentBytes(n.command.Process.Pid)
		if err != nil {
			return fmt.Errorf("%s: %w", n.name, err)
		}
		r := &w.all[i]
		r.name, r.last, r.max, r.samples = n.name, bytes, max(r.max, bytes), r.samples+1
	}
	return nil
}

// residentBytes reads VmRSS (proc(5)).
func residentBytes(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		value, found := strings.CutPrefix(line, "VmRSS:")
		if !found {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		return kib << 10, err
	}
	return 0, fmt.Errorf("process %d has no VmRSS: it has ended", pid)
}
