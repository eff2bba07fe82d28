package sim

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"time"

	"rookery/bench/purge/history"
	"rookery/object"
)

// list asks a host for the names of a key's bucket, and notes what they say of the key.
func (w *world) list(r *rand.Rand, name string, key object.Key) {
	ctx, cancel := context.WithTimeout(context.Background(), 400*time.Millisecond+time.Duration(r.Int64N(int64(lease))))
	defer cancel()
	g := history.Get{Key: key, Node: name, Invoked: w.record.Now()}
	err := w.askList(ctx, w.hosts[name], &g)
	g.Completed = w.record.Now()
	w.counts.mu.Lock()
	defer w.counts.mu.Unlock()
	if err != nil {
		w.counts.refused++
		return
	}
	w.counts.answered[g.Via]++
	w.record.Get(g)
}

// askList is ask for a page of names.
func (w *world) askList(ctx context.Context, h *host, g *history.Get) error {
	if err := h.gate.pass(ctx); err != nil {
		return err
	}
	i := h.running()
	if i == nil {
		return errLost
	}
	g.Node = i.name
	a, err := i.node.Query(ctx, object.Query{Operation: object.ListObjectsV2, Key: object.Key{Bucket: g.Key.Bucket}}, nil)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	g.Via = fmt.Sprintf("list: %v (collapsed %t)", a.Outcome, a.Collapsed)
	text, err := io.ReadAll(a.Body)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(text) {
		if name, number, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" ")); string(name) == g.Key.Name {
			if g.Version, err = strconv.Atoi(string(number)); err != nil {
				g.Wrong = err.Error()
			}
		}
	}
	return h.gate.pass(ctx)
}
