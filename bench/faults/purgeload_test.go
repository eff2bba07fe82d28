package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rookery/admin"
	"rookery/bench/purge/history"
	"rookery/internal/pattern"
	"rookery/purge"
)

// afterRefusal is how long a client rests at the most after an error.
const afterRefusal = 300 * time.Millisecond

// purging is a run: the objects, who reads and purges them, and what came of it.
type purging struct {
	*cluster
	seed    uint64
	record  history.Recorder
	shelves []*purgeShelf
	clients []*http.Client // to each machine
	serial  atomic.Int64   // of purges
	done    atomic.Int64   // answers and purges
	trouble atomic.Int32   // how much of it there is at present

	mu             sync.Mutex // guards all below
	hits, refused  int
	took, tookCalm []time.Duration // of purges, until they were complete
	troubles       map[string]int
}

func newPurging(c *cluster, seed uint64) *purging {
	p := &purging{cluster: c, seed: seed, troubles: make(map[string]int)}
	r := rand.New(rand.NewPCG(seed, 0))
	for _, s := range newPurgeShelves() {
		p.shelves = append(p.shelves, s)
		s.overwrite(c.s3, &p.record, r)
	}
	for range c.machines[:members] {
		p.clients = append(p.clients, &http.Client{Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: dialWithin}).DialContext, DisableCompression: true, MaxIdleConnsPerHost: purgeClients,
		}})
	}
	return p
}

// run does it all for a time, a long one until it is enough, and then looks at
// everything once more.
func (p *purging) run(ctx context.Context, lasts time.Duration) error {
	longest := lasts
	if lasts >= purgeLong {
		longest = 4 * lasts
	}
	working, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	began := time.Now()
	var all sync.WaitGroup
	for i := range purgeClients {
		r := rand.New(rand.NewPCG(p.seed, uint64(i)+2))
		all.Go(func() {
			for wait(working, time.Duration(r.Int64N(int64(20*time.Millisecond)))) == nil {
				p.one(ctx, r)
				if time.Since(began) > lasts && p.done.Load() > purgeEnough {
					cancel()
				}
			}
		})
	}
	err := p.bringTrouble(working, rand.New(rand.NewPCG(p.seed, 1)))
	all.Wait()
	for _, c := range p.clients {
		defer c.CloseIdleConnections()
	}
	if err = errors.Join(err, p.heal(ctx)); err != nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	return p.lookAtAll(ctx, rand.New(rand.NewPCG(p.seed, 2)))
}

// lookAtAll purges everything when all is well, and reads it through all nodes.
func (p *purging) lookAtAll(ctx context.Context, r *rand.Rand) error {
	var complete bool
	err := await(ctx, "a purge of everything to be complete", func() bool {
		complete = p.purge(ctx, r, p.machines[0], purge.Scope{Kind: purge.All}, false)
		return complete
	})
	if err != nil {
		return err
	}
	for _, s := range p.shelves {
		for _, m := range p.machines[:members] {
			if err := p.get(ctx, r, m, s); err != nil {
				return fmt.Errorf("%s gives no answer about %s after all trouble: %w", m.name, s.key, err)
			}
		}
	}
	return nil
}

// one is one operation, or a few that belong together.
func (p *purging) one(ctx context.Context, r *rand.Rand) {
	s := p.shelves[r.IntN(len(p.shelves))]
	switch r.IntN(50) {
	case 0:
		s.overwrite(p.s3, &p.record, r)
	case 1:
		p.purge(ctx, r, p.any(r), s.scope(r), r.IntN(4) == 0)
	case 2:
		s.overwrite(p.s3, &p.record, r)
		p.purge(ctx, r, p.any(r), s.scope(r), false)
		for range 3 {
			_ = p.get(ctx, r, p.any(r), s) // errors are counted
		}
	default:
		if p.get(ctx, r, p.any(r), s) != nil {
			_ = wait(ctx, time.Duration(r.Int64N(int64(afterRefusal)))) // a node that is down refuses quickly
		}
	}
}

func (p *purging) any(r *rand.Rand) *machine { return p.machines[r.IntN(members)] }

// purge asks a node to purge, and follows that through any node until it is
// complete or the client has lost its patience.
func (p *purging) purge(ctx context.Context, r *rand.Rand, m *machine, scope purge.Scope, soft bool) bool {
	order := map[string]any{"id": fmt.Sprintf("%x-%d", p.seed, p.serial.Add(1)), "wait": []string{"0s", "1s", "10s"}[r.IntN(3)], "soft": soft}
	switch scope.Kind {
	case purge.All:
		order["all"] = true
	case purge.Object:
		order["key"] = scope.Name
	case purge.Prefix:
		order["prefix"] = scope.Name
	case purge.Tag:
		order["tags"] = []string{scope.Name}
	}
	if scope.Bucket != "" {
		order["bucket"] = scope.Bucket
	}
	body, err := json.Marshal(order)
	if err != nil {
		panic(err) // of strings and booleans
	}
	ctx, cancel := context.WithTimeout(ctx, purgePatience)
	defer cancel()
	h := history.Purge{Scopes: []purge.Scope{scope}, Soft: soft, Invoked: p.record.Now()}
	defer func() {
		p.record.Purge(h)
		p.done.Add(1)
	}()
	began, calm := time.Now(), p.trouble.Load() == 0
	state := p.askPurge(ctx, m, http.MethodPost, "/admin/cache/purge", body, &h)
	for state == http.StatusAccepted && wait(ctx, 200*time.Millisecond) == nil {
		path := "/admin/cache/purges/" + url.PathEscape(order["id"].(string))
		if next := p.askPurge(ctx, p.any(r), http.MethodGet, path, nil, &h); next != 0 {
			state = next
		}
	}
	if state != http.StatusOK {
		return false
	}
	h.Completed = p.record.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.took = append(p.took, time.Since(began))
	if calm && p.trouble.Load() == 0 && order["wait"] == "10s" {
		p.tookCalm = append(p.tookCalm, time.Since(began))
	}
	return true
}

// askPurge returns the status of the answer: 200 is a complete purge, 202 one that
// is not, and 0 that nothing is known. It notes which nodes have it in place.
func (p *purging) askPurge(ctx context.Context, m *machine, method, path string, body []byte, h *history.Purge) int {
	ctx, cancel := context.WithTimeout(ctx, 12*time.Second)
	defer cancel()
	lives := p.lives()
	request, err := http.NewRequestWithContext(ctx, method, m.operatorsURL+path, bytes.NewReader(body))
	if err != nil {
		panic(err) // a URL of our own
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := p.clients[m.index].Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	var answer admin.Purge
	if response.StatusCode > http.StatusAccepted || json.NewDecoder(response.Body).Decode(&answer) != nil {
		return 0
	}
	if len(h.Seen) == 0 {
		now, after := p.record.Now(), p.lives()
		for i, life := range lives {
			for _, n := range answer.Nodes {
				if n.Name == nodeName(i) && n.Applied && after[i] == life {
					h.Seen = append(h.Seen, history.Sight{Node: life, At: now})
				}
			}
		}
	}
	return response.StatusCode
}

// lives names what runs on the machines at present.
func (p *purging) lives() (names []string) {
	for _, m := range p.machines[:members] {
		names = append(names, m.life())
	}
	return names
}

// get reads through a node and notes what it says. An error is no answer, or one
// that says that it is an error.
func (p *purging) get(ctx context.Context, r *rand.Rand, m *machine, s *purgeShelf) error {
	patience := 2 * time.Second
	if r.IntN(8) == 0 {
		patience = 15 * time.Second // it is still there when a stopped node goes on
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	life := m.life()
	g := history.Get{Key: s.key, Invoked: p.record.Now(), Node: life}
	hit, err := p.ask(ctx, r, m, s, &g)
	g.Completed = p.record.Now()
	if m.life() != life {
		g.Node = "" // another process may have answered
	}
	p.mu.Lock()
	if err != nil {
		p.refused++
	} else if hit {
		p.hits++
	}
	p.mu.Unlock()
	if err == nil {
		p.record.Get(g)
		p.done.Add(1)
	}
	return err
}

// ask sends the request and takes the answer apart. What is wrong with an answer
// is noted in it.
func (p *purging) ask(ctx context.Context, r *rand.Rand, m *machine, s *purgeShelf, g *history.Get) (hit bool, err error) {
	method := http.MethodGet
	if r.IntN(8) == 0 {
		method = http.MethodHead
	}
	request, err := http.NewRequestWithContext(ctx, method, m.publicURL+s.path(), nil)
	if err != nil {
		panic(err) // a URL of our own
	}
	w := want{}
	if method == http.MethodGet && r.IntN(6) == 0 {
		w.from = 1 + r.Int64N(1000)
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", w.from))
	}
	response, err := p.clients[m.index].Do(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	g.Via = fmt.Sprintf("%s %s %s", m.name, method, response.Header.Get("Cache-Status"))
	hit = response.Header.Get("X-Cache") == "HIT"
	if response.StatusCode == http.StatusNotFound {
		return hit, notFound(response)
	}
	if response.StatusCode >= 400 {
		return hit, errors.New(response.Status)
	}
	number, _ := strconv.Atoi(response.Header.Get(versionHeader))
	o, ok := s.numbered(number)
	if !ok {
		g.Wrong = fmt.Sprintf("an answer of no version: %v", response.Header)
		return hit, nil
	}
	g.Version = number
	if method == http.MethodHead {
		return hit, nil
	}
	w.to, w.size = o.Size, o.Size
	w.version = func(string) (pattern.Object, bool) { return o, true }
	switch c, err := judge(response, w); c {
	case wrong, short:
		g.Wrong = err.Error()
	case whole:
	default:
		return hit, err
	}
	return hit, nil
}

// notFound is nil if it is S3's own word that there is no such object.
func notFound(response *http.Response) error {
	if response.Request.Method == http.MethodHead {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err == nil && !strings.Contains(string(text), "NoSuchKey") {
		err = fmt.Errorf("%s: %s", response.Status, text)
	}
	return err
}

func (s *purgeShelf) path() string {
	return pathOf(pattern.Object{Bucket: s.key.Bucket, Key: s.key.Name})
}

// scope picks what is purged to purge an object.
func (s *purgeShelf) scope(r *rand.Rand) purge.Scope {
	switch r.IntN(20) {
	case 0:
		return purge.Scope{Kind: purge.All}
	case 1:
		return purge.Scope{Kind: purge.Bucket, Bucket: s.key.Bucket}
	case 2, 3, 4:
		return purge.Scope{Kind: purge.Prefix, Bucket: s.key.Bucket, Name: s.key.Name[:1+r.IntN(len(s.key.Name))]}
	case 5, 6, 7, 8:
		return purge.Scope{Kind: purge.Tag, Bucket: s.key.Bucket, Name: purgeTags[r.IntN(len(purgeTags))]}
	}
	return purge.Scope{Kind: purge.Object, Bucket: s.key.Bucket, Name: s.key.Name}
}
