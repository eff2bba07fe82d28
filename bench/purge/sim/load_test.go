package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"rookery/bench/purge/history"
	"rookery/internal/pattern"
	"rookery/object"
	"rookery/purge"
	"rookery/store"
)

// keys are few, so that what is read has been read before.
func keys() (all []object.Key) {
	for _, dir := range []string{"a/", "a/b/", "c/"} {
		for i := range 9 {
			all = append(all, object.Key{Bucket: longBucket, Name: fmt.Sprintf("%s%d", dir, i)})
		}
		all = append(all, object.Key{Bucket: longBucket, Name: dir + "weak"}, object.Key{Bucket: shortBucket, Name: dir + "0"}, object.Key{Bucket: shortBucket, Name: dir + "1"})
	}
	for _, name := range []string{"a/chunks", "c/extents", "c/no-store", "c/no-cache"} {
		all = append(all, object.Key{Bucket: longBucket, Name: name})
	}
	return all
}

func sizeOf(r *rand.Rand, key object.Key) int64 {
	switch {
	case strings.HasSuffix(key.Name, "chunks"):
		return object.ChunkBytes + 1 + r.Int64N(1000)
	case strings.HasSuffix(key.Name, "extents"):
		return object.ExtentBytes + 1 + r.Int64N(1000)
	case strings.HasSuffix(key.Name, "8"):
		return store.HotMax + 1 + r.Int64N(1000)
	}
	return r.Int64N(3000)
}

var tags = []string{"red", "green", "blue"}

// overwrite makes another version of a key: other bytes, a copy in place that
// changes the headers alone, or that there is none.
func (w *world) overwrite(r *rand.Rand, key object.Key) {
	w.things.overwrite(key, func(last *version) *version {
		v := new(version)
		if last != nil {
			*v = *last
		}
		v.tags, v.control = nil, ""
		for _, tag := range tags {
			if r.IntN(3) == 0 {
				v.tags = append(v.tags, tag)
			}
		}
		if _, directive, found := strings.Cut(key.Name, "/no-"); found {
			v.control = "no-" + directive
		}
		switch what := r.IntN(20); {
		case what == 0 && last != nil:
			v.deleted, v.tags = true, nil
		case what < 3 && last != nil && !last.deleted && last.etag != "":
		default:
			v.deleted = false
			v.object = pattern.Object{Bucket: key.Bucket, Key: key.Name, Version: strconv.FormatUint(r.Uint64(), 36), Size: sizeOf(r, key)}
			v.etag = strconv.Quote(v.object.Version)
			if strings.HasSuffix(key.Name, "weak") {
				v.etag = ""
			}
		}
		return v
	})
}

var everything = []purge.Scope{{Kind: purge.All}}

// scopeOver picks a scope over a key.
func scopeOver(r *rand.Rand, key object.Key) purge.Scope {
	switch r.IntN(20) {
	case 0:
		return everything[0]
	case 1, 2:
		return purge.Scope{Kind: purge.Bucket, Bucket: key.Bucket}
	case 3, 4, 5, 6:
		return purge.Scope{Kind: purge.Prefix, Bucket: key.Bucket, Name: key.Name[:1+r.IntN(len(key.Name))]}
	case 7, 8, 9, 10:
		return purge.Scope{Kind: purge.Tag, Bucket: key.Bucket, Name: tags[r.IntN(len(tags))]}
	}
	return purge.Scope{Kind: purge.Object, Bucket: key.Bucket, Name: key.Name}
}

// one is one operation, or a few that belong together: what matters most is a read
// right behind a purge that was right behind an overwrite.
func (w *world) one(r *rand.Rand) {
	time.Sleep(time.Duration(r.Int64N(int64(20 * time.Millisecond))))
	key := w.keys[r.IntN(len(w.keys))]
	switch r.IntN(40) {
	case 0:
		w.overwrite(r, key)
	case 1:
		w.purge(r, w.any(r), []purge.Scope{scopeOver(r, key)}, r.IntN(4) == 0)
	case 3, 4:
		w.list(r, w.any(r), key)
	case 2:
		scopes := []purge.Scope{scopeOver(r, key), scopeOver(r, w.keys[r.IntN(len(w.keys))])}
		w.overwrite(r, key)
		w.purge(r, w.any(r), scopes, false)
		for range 2 {
			w.get(r, w.any(r), w.under(r, scopes))
		}
		w.list(r, w.any(r), w.under(r, scopes))
		w.left.Add(-5)
	default:
		w.get(r, w.any(r), key)
	}
}

func (w *world) any(r *rand.Rand) string { return hostNames[r.IntN(len(hostNames))] }

// purge asks a host to purge and waits until it is complete, or for as long as
// the client will wait.
func (w *world) purge(r *rand.Rand, name string, scopes []purge.Scope, soft bool) {
	h, began := w.hosts[name], time.Now()
	order := &purge.Order{ID: strconv.FormatInt(w.serial.Add(1), 10), Scopes: scopes, Soft: soft}
	p := history.Purge{Scopes: scopes, Soft: soft, Invoked: w.record.Now()}
	defer func() { w.record.Purge(p) }()
	ctx, cancel := context.WithTimeout(context.Background(), 4*lease+time.Duration(r.Int64N(int64(lease))))
	defer cancel()
	i := h.running()
	if i == nil || h.gate.pass(ctx) != nil {
		return
	}
	number, err := i.seat.purge(ctx, order)
	p.Via = fmt.Sprintf("%s, council %x, number %d", i.name, number.Council[:4], number.Applied)
	if err != nil || h.gate.pass(ctx) != nil {
		return
	}
	if r.IntN(4) == 0 { // it may not be complete, and binds where it is in place
		p.Seen = w.sights(number)
		for range 4 {
			w.get(r, w.any(r), w.under(r, scopes))
		}
	}
	if i.seat.complete(ctx, order, number) != nil || h.gate.pass(ctx) != nil {
		return
	}
	p.Completed = w.record.Now()
	w.counts.mu.Lock()
	defer w.counts.mu.Unlock()
	w.counts.took = append(w.counts.took, time.Since(began))
}

// sights are the nodes that have a purge in place.
func (w *world) sights(number object.Note) (all []history.Sight) {
	if number.Applied == 0 {
		return nil // it is kept until there is a quorum
	}
	for _, h := range w.hosts {
		if i := h.running(); i != nil {
			if n := i.state.Note(); n.Council == number.Council && n.Applied >= number.Applied {
				all = append(all, history.Sight{Node: i.name, At: w.record.Now()})
			}
		}
	}
	return all
}

// under picks a key that the scopes may cover.
func (w *world) under(r *rand.Rand, scopes []purge.Scope) object.Key {
	s := scopes[r.IntN(len(scopes))]
	for range 20 {
		key := w.keys[r.IntN(len(w.keys))]
		if (s.Bucket == "" || s.Bucket == key.Bucket) && (s.Kind == purge.Tag || strings.HasPrefix(key.Name, s.Name)) {
			return key
		}
	}
	return w.keys[r.IntN(len(w.keys))]
}

// get reads through a host and notes what it says. It reports whether it gave an
// answer that is no error.
func (w *world) get(r *rand.Rand, name string, key object.Key) bool {
	ask := &object.Ask{Key: key, HeadOnly: r.IntN(6) == 0}
	if strings.HasSuffix(key.Name, "extents") { // the last bytes of one and the first of the next
		ask.Range = object.Range{Kind: object.FromTo, First: object.ExtentBytes - 1000, Last: object.ExtentBytes}
	} else if r.IntN(6) == 0 {
		ask.Range = object.Range{Kind: object.Suffix, Last: 1 + r.Int64N(2000)}
	}
	wait := 400 * time.Millisecond
	if r.IntN(8) == 0 {
		wait = 4 * lease // it is still there when a stopped node goes on
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	g := history.Get{Key: key, Node: name, Invoked: w.record.Now()}
	err := w.ask(ctx, w.hosts[name], ask, &g)
	g.Completed = w.record.Now()
	w.counts.mu.Lock()
	if err != nil {
		w.counts.refused++
	} else {
		w.counts.answered[g.Via]++
	}
	w.counts.mu.Unlock()
	if err == nil {
		w.record.Get(g)
	}
	return err == nil
}

// ask sends the request and takes the answer apart. An error is no answer, or one
// that says so; what is wrong with an answer is noted in it.
func (w *world) ask(ctx context.Context, h *host, ask *object.Ask, g *history.Get) error {
	if err := h.gate.pass(ctx); err != nil {
		return err
	}
	i := h.running()
	if i == nil {
		return errLost
	}
	g.Node = i.name
	a, err := i.node.Open(ctx, ask)
	var refused *object.OriginError
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusNotFound:
		g.Via = "absent"
		return h.gate.pass(ctx)
	case err != nil:
		return err
	}
	if a.Body != nil {
		defer a.Body.Close()
	}
	g.Via = fmt.Sprintf("%v from %v (%v)", a.Outcome, a.Source, a.OwnerSource)
	v := w.things.numbered(g.Key, a.Info.Get(versionHeader))
	if v == nil {
		g.Wrong = fmt.Sprintf("an answer of no version: %v", a.Info.Header)
		return nil
	}
	g.Version = v.number
	if a.Info.Size != v.object.Size || a.Info.ETag != v.etag {
		g.Wrong = fmt.Sprintf("%d bytes of %s in place of version %d", a.Info.Size, a.Info.ETag, v.number)
	}
	if err := h.gate.pass(ctx); err != nil || ask.HeadOnly || g.Wrong != "" {
		return err
	}
	from, to, err := ask.Range.Resolve(v.object.Size)
	if err != nil || a.Offset != from || a.Length != to-from || (a.Body == nil) != (from == to) {
		g.Wrong = fmt.Sprintf("bytes [%d, +%d) in place of [%d, %d): %v", a.Offset, a.Length, from, to, err)
		return nil
	}
	if a.Body == nil {
		return nil
	}
	return body(a, v, g)
}

// body reads all of an answer. A body that breaks is no answer.
func body(a *object.Answer, v *version, g *history.Get) error {
	p, err := io.ReadAll(io.LimitReader(a.Body, a.Length+1))
	if wrong := v.object.Check(p[:min(int64(len(p)), a.Length)], a.Offset); wrong != nil {
		g.Wrong = wrong.Error()
		return nil
	}
	if err == nil && int64(len(p)) != a.Length {
		g.Wrong = fmt.Sprintf("%d of %d bytes look complete", len(p), a.Length)
	}
	return err
}
