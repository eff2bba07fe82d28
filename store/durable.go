package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

var (
	// ErrDiskLost says that what a Durable kept is gone: the database had to be
	// begun anew.
	ErrDiskLost = errors.New("the disk has lost what it kept")
	errClosed   = errors.New("store is closed")
)

// Durable is a room of keys in the store's database, for what must outlive the
// process: the council's log above all. It is the only part of the store that is a
// source of truth, and so it differs from the rest:
//
//   - What Write returned without an error is on the disk, whatever fails later,
//     and a batch is there whole or not at all. The write-ahead log is the index's:
//     one sync serves whoever waits for one.
//   - It never forgets in silence. When the database is corrupt the store starts
//     empty, with another DiskID; a Durable belongs to one id, and is ErrDiskLost
//     from then on. So nobody takes an empty log for his own, or adds to it.
//   - An error that is ErrFull says that the disk fails, and that a write may be
//     there or not. It may be repeated after Wait, which lets the caller block while
//     the disk is not well. A read that fails makes the store open its database
//     anew: a disk that cannot be read must not be believed.
//
// Its bytes count against the capacity, and segments give way to them. What is kept
// must be small beside it: nothing here is ever evicted.
//
// It is safe for concurrent use. Keys and values that it hands out are the
// caller's, those it is given stay so.
type Durable struct {
	s      *Store
	prefix []byte
	id     [16]byte
	lost   <-chan struct{}
}

// A page is how much Scan reads while the database is kept open for it.
const (
	pageEntries = 256
	pageBytes   = 1 << 20
)

// Durable returns the room with that name, which no other room's begins with. It
// waits until there is a database: ctx says for how long.
func (s *Store) Durable(ctx context.Context, name string) (*Durable, error) {
	for {
		id, lost, opened := s.disk.now()
		if id != ([16]byte{}) {
			prefix := append([]byte{durablePrefix}, name...)
			return &Durable{s: s, prefix: append(prefix, 0), id: id, lost: lost}, nil
		}
		if err := s.await(ctx, opened); err != nil {
			return nil, fmt.Errorf("store: %s: %w", name, err)
		}
	}
}

// DiskID returns the random name of what the disk keeps, which changes when that
// is lost. It is zero as long as a failing disk has not been read at all.
func (s *Store) DiskID() [16]byte {
	id, _, _ := s.disk.now()
	return id
}

// DiskID returns the name of the disk on which the room is.
func (d *Durable) DiskID() [16]byte { return d.id }

// Lost is closed once the room is ErrDiskLost.
func (d *Durable) Lost() <-chan struct{} { return d.lost }

// Get returns the value of key; nil, which no value is, if there is none.
func (d *Durable) Get(key []byte) ([]byte, error) {
	ix, err := d.index()
	if err != nil {
		return nil, err
	}
	value, err := ix.get([]byte{}, d.key(key))
	if errors.Is(err, errAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, d.failed(ix, err)
	}
	return value, nil
}

// Scan calls each for the keys from <= key < to, in their order, until it returns
// false. It may be called while others write: it then sees each key as it is when
// it gets there.
func (d *Durable) Scan(from, to []byte, each func(key, value []byte) bool) error {
	for {
		entries, more, err := d.page(from, to)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !each(e.key, e.value) {
				return nil
			}
		}
		if !more {
			return nil
		}
		from = slices.Concat(entries[len(entries)-1].key, []byte{0}) // the key right behind it
	}
}

// page copies the first entries of a range out of the database, and says whether
// there may be more.
func (d *Durable) page(from, to []byte) (entries []indexEntry, more bool, err error) {
	ix, err := d.index()
	if err != nil {
		return nil, false, err
	}
	err = ix.use(func(db *pebble.DB) error {
		it, err := db.NewIter(&pebble.IterOptions{LowerBound: d.key(from), UpperBound: d.key(to)})
		if err != nil {
			return err
		}
		size := 0
		for more = it.First(); more && len(entries) < pageEntries && size < pageBytes; more = it.Next() {
			entries = append(entries, indexEntry{bytes.Clone(it.Key()[len(d.prefix):]), bytes.Clone(it.Value())})
			size += len(it.Key()) + len(it.Value())
		}
		return it.Close()
	})
	if err != nil {
		return nil, false, d.failed(ix, err)
	}
	return entries, more, nil
}

// Write first drops the ranges [0] <= key < [1] and then sets the keys [0] to the
// values [1]: all of it or nothing, and it is on the disk when Write returns nil.
func (d *Durable) Write(drop, set [][2][]byte) error {
	ix, err := d.index()
	if err != nil {
		return err
	}
	if err := d.makeRoom(set); err != nil {
		return err
	}
	began := d.s.now()
	err = ix.write(func(b *pebble.Batch) error {
		for _, r := range drop {
			if bytes.Compare(r[0], r[1]) >= 0 {
				continue
			}
			if err := b.DeleteRange(d.key(r[0]), d.key(r[1]), nil); err != nil {
				return err
			}
		}
		for _, e := range set {
			if err := b.Set(d.key(e[0]), e[1], nil); err != nil {
				return err
			}
		}
		return nil
	}, pebble.Sync)
	if err != nil {
		return d.failed(ix, err)
	}
	d.s.counts.durable.Update(d.s.now().Sub(began).Seconds())
	return nil
}

// makeRoom lets segments give way before they and what is written exceed the
// capacity. It counts twice: in the log, and in the table that takes its place.
func (d *Durable) makeRoom(set [][2][]byte) error {
	var size int64
	for _, e := range set {
		size += int64(len(d.prefix) + len(e[0]) + len(e[1]))
	}
	fits := func() bool { return d.s.used()+d.s.indexBytes()+d.s.reserve()+2*size <= d.s.opt.Capacity }
	for !fits() {
		if !d.s.reclaimOldest() {
			return fmt.Errorf("%w: %w", ErrFull, errNoRoom)
		}
	}
	return nil
}

// Wait returns nil as soon as the disk is well again: at once, if it is. Otherwise
// it is ErrDiskLost, ctx's error, or says that the store was closed.
func (d *Durable) Wait(ctx context.Context) error {
	for {
		_, _, opened := d.s.disk.now()
		if _, err := d.index(); !errors.Is(err, ErrFull) {
			return err
		}
		if err := d.s.await(ctx, opened); err != nil {
			return err
		}
	}
}

// await waits for what opens, or until ctx or the store ends.
func (s *Store) await(ctx context.Context, opened <-chan struct{}) error {
	select {
	case <-opened:
		return nil
	case <-s.stop:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// index returns the database, if it is the room's own and may be used.
func (d *Durable) index() (*index, error) {
	select {
	case <-d.lost:
		return nil, ErrDiskLost
	default:
	}
	ix := d.s.usable()
	if ix == nil {
		return nil, fmt.Errorf("%w: %w", ErrFull, errIndexClosed)
	}
	if ix.disk != d.id {
		return nil, ErrDiskLost
	}
	return ix, nil
}

// failed makes an ErrFull of what the database said, and has it opened anew.
func (d *Durable) failed(ix *index, err error) error {
	if !errors.Is(err, errIndexClosed) {
		ix.fail(err, false)
	}
	return fmt.Errorf("%w: %w", ErrFull, err)
}

func (d *Durable) key(key []byte) []byte { return slices.Concat(d.prefix, key) }

// disk is what is known of the database that was opened last.
type disk struct {
	mu     sync.Mutex
	id     [16]byte      // zero before the first
	lost   chan struct{} // closed when another id takes the place of id
	opened chan struct{} // closed, and replaced, at each opening
}

func (k *disk) now() (id [16]byte, lost, opened <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.opened == nil {
		k.opened = make(chan struct{})
	}
	return k.id, k.lost, k.opened
}

// adopt is told of each database that is opened, when it may be used.
func (k *disk) adopt(id [16]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.id != id {
		if k.lost != nil {
			close(k.lost)
		}
		k.id, k.lost = id, make(chan struct{})
	}
	if k.opened != nil {
		close(k.opened)
		k.opened = nil
	}
}

// identify reads the name of the disk, or gives it one.
func (ix *index) identify() error {
	value, err := ix.get(nil, []byte(diskKey))
	if errors.Is(err, errAbsent) {
		rand.Read(ix.disk[:])
		return ix.write(func(b *pebble.Batch) error { return b.Set([]byte(diskKey), ix.disk[:], nil) }, pebble.Sync)
	}
	if err == nil && len(value) != len(ix.disk) {
		err = &indexFailure{err: errEntry, corrupt: true}
	}
	copy(ix.disk[:], value)
	return err
}
