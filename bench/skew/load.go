package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rookery/bench/nodes"
)

// load is what the clients do.
type load struct {
	options options
	nodes   []*nodes.Process
	client  *http.Client
	done    atomic.Int64 // requests
}

func newLoad(o options, all []*nodes.Process) *load {
	return &load{options: o, nodes: all, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.clients}}}
}

// fill reads every object through every node twice: once brings it to its owner,
// the second time the others see what it is worth to them.
func (l *load) fill(ctx context.Context) error {
	errs := make([]error, l.options.clients)
	var clients sync.WaitGroup
	for i := range errs {
		clients.Go(func() {
			for n := i; n < l.options.objects && errs[i] == nil; n += len(errs) {
				for _, node := range slices.Concat(l.nodes, l.nodes) {
					errs[i] = errors.Join(errs[i], l.read(ctx, node, n))
				}
			}
		})
	}
	clients.Wait()
	return errors.Join(errs...)
}

// run keeps every client busy for a while.
func (l *load) run(ctx context.Context, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	errs := make([]error, l.options.clients)
	var clients sync.WaitGroup
	for i := range errs {
		clients.Go(func() { errs[i] = l.browse(ctx, uint64(i)) })
	}
	clients.Wait()
	return errors.Join(errs...)
}

// browse asks for one object after the other, at any node.
func (l *load) browse(ctx context.Context, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 1))
	others := rand.NewZipf(r, 1.1, 1, uint64(l.options.objects-1))
	for ctx.Err() == nil {
		key := 0
		if r.IntN(2) == 0 {
			key = 1 + int(others.Uint64())
		}
		err := l.read(ctx, l.nodes[r.IntN(len(l.nodes))], key)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		l.done.Add(1)
	}
	return nil
}

func (l *load) read(ctx context.Context, n *nodes.Process, key int) error {
	object := l.options.objectAt(key)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.Client+"/"+bucket+"/"+object.Key, nil)
	if err != nil {
		return err
	}
	response, err := l.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s through %s: %s", object.Key, n.Name, response.Status)
	}
	_, err = object.CheckReader(response.Body, 0, object.Size)
	return err
}
