package council

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// seat is this node's place in one council: its raft, and what goes on there
// while it has it.
type seat struct {
	c       *Council
	own     allegiance
	raft    *raft.Raft
	network *raft.NetworkTransport
	stream  *stream
	logs    *logs
	machine *machine
	ticks   *ticks
	office  atomic.Pointer[office] // while this node is the leader
	elected chan struct{}          // office has changed; room for one

	ctx     context.Context
	cancel  context.CancelFunc
	life    sync.Mutex // guards shut, and that running grows
	shut    bool
	running sync.WaitGroup
	down    chan struct{} // raft has ended
	watch   sync.WaitGroup
}

// sit opens the node's place in a council.
func (c *Council) sit(a allegiance) (*seat, error) {
	c.o.State.Join(a.council)
	s := &seat{c: c, own: a, elected: make(chan struct{}, 1), down: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(c.closing)
	s.machine = &machine{state: c.o.State, log: c.o.Log}
	log, err := openLogs(c.o.Disk, c.diskFails, s.ctx.Done())
	if err != nil {
		return nil, err
	}
	s.logs = log
	snaps := &snapshots{disk: c.o.Disk, failing: c.diskFails}
	s.stream = newStream(c.id, func(ctx context.Context, id string) (net.Conn, error) {
		return c.connect(ctx, id, hello{line: lineRaft, council: a.council})
	})
	log.hush = s.stream.hush
	notify := make(chan bool)
	config := c.o.raft(c.id, notify)
	s.network = raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: s.stream, MaxPool: 3, Timeout: 3 * c.o.Heartbeat, Logger: config.Logger,
	})
	if err := s.bootstrap(config, log, snaps, s.network); err != nil {
		return nil, errors.Join(err, s.network.Close())
	}
	s.raft, err = raft.NewRaft(config, s.machine, log, log, snaps, s.network)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start raft: %w", err), s.network.Close())
	}
	if s.soleVoter() {
		s.standAtOnce()
	}
	s.ticks = newTicks(s)
	s.watch.Go(func() { s.watchOffice(notify) })
	s.running.Go(s.govern)
	s.running.Go(s.ticks.run)
	s.running.Go(s.keepLease)
	s.running.Go(s.bringKept)
	return s, nil
}

// raft returns the configuration of raft.
func (o *Options) raft(id string, notify chan<- bool) *raft.Config {
	config := raft.DefaultConfig()
	config.LocalID = raft.ServerID(id)
	config.HeartbeatTimeout, config.ElectionTimeout = o.Heartbeat+atOnce, o.Heartbeat+atOnce
	config.LeaderLeaseTimeout = o.Heartbeat // a busy machine is late with an answer
	config.CommitTimeout = 10 * time.Millisecond
	config.ShutdownOnRemove = false // a node that was removed in error is added again
	config.SnapshotThreshold, config.TrailingLogs = o.SnapshotEvery, o.KeepEntries
	config.SnapshotInterval = 30 * o.Heartbeat
	config.NotifyCh = notify
	config.NoLegacyTelemetry = true
	config.Logger = raftLog(o.Log)
	return config
}

// atOnce is by how much raft's time without a leader is longer than it could be.
const atOnce = time.Millisecond

// soleVoter reports whether nobody but this node can be the leader.
func (s *seat) soleVoter() bool {
	voters := 0
	for _, m := range s.members() {
		if m.Suffrage == raft.Voter {
			voters++
		}
	}
	return voters == 1 && s.votes()
}

// standAtOnce makes the node the leader without waiting for another to call, as
// there is none: raft looks at once whether it has waited for long enough when that
// becomes shorter.
func (s *seat) standAtOnce() {
	shorter := s.raft.ReloadableConfig()
	shorter.HeartbeatTimeout -= atOnce
	shorter.ElectionTimeout -= atOnce
	if err := s.raft.ReloadConfig(shorter); err != nil {
		s.c.o.Log.Warn("the sole voter waits for others", "error", err)
	}
}

// bootstrap writes the first entry of a council that this node has founded, if it
// is not there yet.
func (s *seat) bootstrap(config *raft.Config, log *logs, snaps *snapshots, t raft.Transport) error {
	found, err := log.disk.Get([]byte(foundKey))
	if err != nil || found == nil || log.last > 0 {
		return err
	}
	if list, err := snaps.List(); err != nil || len(list) > 0 {
		return err
	}
	// A term without a log is what an earlier attempt has left.
	if err := log.disk.Write([][2][]byte{span(stableKeys)}, nil); err != nil {
		return fmt.Errorf("found the council: %w", err)
	}
	self := raft.Server{ID: config.LocalID, Address: raft.ServerAddress(config.LocalID)}
	err = raft.BootstrapCluster(config, log, log, snaps, t, raft.Configuration{Servers: []raft.Server{self}})
	if err != nil {
		return fmt.Errorf("found the council: %w", err)
	}
	return nil
}

// close gives the seat up. raft ends last: while it runs it answers everything
// that it has been asked, and after that not.
func (s *seat) close() {
	s.life.Lock()
	s.shut = true
	s.life.Unlock()
	s.cancel()
	idle := make(chan struct{})
	go func() {
		defer close(idle)
		s.running.Wait()
	}()
	select {
	case <-idle:
	case <-s.logs.cut: // raft has ended, and who waits for its answer to a proposal waits in vain
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := errors.Join(s.network.Close(), s.raft.Shutdown().Error()); err != nil {
			s.c.o.Log.Warn("raft did not end well", "error", err)
		}
	}()
	select {
	case <-ended:
	case <-s.logs.cut: // what is left of raft waits for what will not come
	}
	close(s.down)
	s.watch.Wait()
}

// spawn runs do in a goroutine that close waits for; false if that has begun.
func (s *seat) spawn(do func()) bool {
	s.life.Lock()
	defer s.life.Unlock()
	if s.shut {
		return false
	}
	s.running.Go(do)
	return true
}

// members returns the newest configuration that this node knows, committed or not.
func (s *seat) members() []raft.Server {
	return s.raft.GetConfiguration().Configuration().Servers
}

// leader returns the raft id of the leader, or "".
func (s *seat) leader() string {
	_, id := s.raft.LeaderWithID()
	return string(id)
}

// diskFails ends the lease: a node that can keep nothing may not go on as if it
// could. It is told again and again while the disk is not well.
func (c *Council) diskFails(err error) {
	c.o.State.Revoke()
	c.counts.diskErrors.Inc()
	now := c.o.Now().UnixNano()
	if last := c.told.Load(); now-last > int64(tellEvery) && c.told.CompareAndSwap(last, now) {
		c.o.Log.Error("the disk does not keep the council's log", "error", err)
	}
}

// tellEvery is how often a disk that goes on failing is told of.
const tellEvery = 30 * time.Second

// apply proposes an entry and waits until it is committed and applied here. It
// may be committed even if this returns an error.
func (s *seat) apply(ctx context.Context, entry []byte) (number uint64, response any, err error) {
	type result struct {
		number   uint64
		response any
		err      error
	}
	done := make(chan result, 1)
	if !s.spawn(func() {
		f := s.raft.Apply(entry, s.c.o.Heartbeat)
		if err := f.Error(); err != nil {
			done <- result{err: err}
			return
		}
		done <- result{number: f.Index(), response: f.Response()}
	}) {
		return 0, nil, errClosed
	}
	select {
	case r := <-done:
		return r.number, r.response, r.err
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
}
