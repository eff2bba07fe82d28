package store

import (
	"errors"
	"syscall"
	"time"
)

// keep looks after the store until it is closed.
func (s *Store) keep() {
	ticks := s.opt.ticks
	if ticks == nil {
		ticker := time.NewTicker(tickEvery)
		defer ticker.Stop()
		ticks = ticker.C
	}
	for {
		select {
		case <-s.stop:
			return
		case <-ticks:
			s.tick()
		}
	}
}

// tick does what is due: it opens a failed index anew, tries a full disk again,
// gives up segments that Pebble has grown into, and scrubs a little.
func (s *Store) tick() {
	ix := s.usable()
	if ix == nil {
		s.reopen()
		return
	}
	if s.full.err() != nil && !s.full.is(s.now()) {
		s.probe()
	}
	if !s.hasRoom() {
		s.makeRoom()
	}
	s.scrubSome(ix)
}

// reopen opens the index anew, unless the disk is being left alone.
func (s *Store) reopen() {
	if s.full.is(s.now()) {
		return
	}
	s.counts.indexReopens.Inc()
	err := s.openIndex()
	if errors.Is(err, syscall.ENOSPC) && s.full.mayGiveUpSegment() && s.reclaimOldest() {
		err = s.openIndex()
	}
	if err != nil {
		s.full.note(s.now(), err)
		s.log.Warn("index does not open; trying again", "after", retryAfter, "error", err)
		return
	}
	s.full.clear()
	s.log.Info("index is open again")
}

// probe finds out whether a disk that was full has space again, when nobody
// happens to store anything: it starts the next segment.
func (s *Store) probe() {
	s.writer.mu.Lock()
	err := s.fit(1)
	s.writer.mu.Unlock()
	if err == nil {
		s.full.clear()
		s.log.Info("store takes bytes again")
		return
	}
	if !errors.Is(err, errNoRoom) {
		s.full.note(s.now(), err)
	}
}
