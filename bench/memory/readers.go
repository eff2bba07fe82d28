package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"sync"
	"time"

	"rookery/internal/pattern"
)

const (
	// pieceBytes is what a reader takes at once.
	pieceBytes = 32 << 10
	// receiveBytes keeps the kernel from taking what the reader has not: without
	// it a slow reader would look like a fast one to the node.
	receiveBytes = 64 << 10
)

// readings is what all readers came to.
type readings struct {
	bytes   int64
	slowest int64 // bytes of the reader that got least
	failed  int
	err     error // of one that failed
}

// newClient returns a client whose reading is felt at the other end.
func newClient(conns int) (client *http.Client, done func()) {
	transport := &http.Transport{
		DisableCompression: true, MaxIdleConnsPerHost: conns,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil {
				err = conn.(*net.TCPConn).SetReadBuffer(receiveBytes)
			}
			return conn, err
		},
	}
	return &http.Client{Transport: transport}, transport.CloseIdleConnections
}

// fillers read the small objects at once.
const fillers = 8

// fillHot reads every small object once through the node at address.
func fillHot(ctx context.Context, o options, address string) error {
	client, done := newClient(fillers)
	defer done()
	errs := make([]error, fillers)
	var all sync.WaitGroup
	for f := range fillers {
		all.Go(func() {
			for n := f; n < o.smalls() && errs[f] == nil; n += fillers {
				r := &reader{client: client, object: o.smallAt(n), address: address}
				errs[f] = r.readOnce(ctx)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// streamAll lets the readers read through the node at address until the time is
// over, each its object from the beginning on, and anew when it is at the end.
func streamAll(ctx context.Context, o options, address string) readings {
	client, done := newClient(o.clients)
	defer done()
	ctx, cancel := context.WithTimeout(ctx, o.duration)
	defer cancel()
	var (
		readers sync.WaitGroup
		mu      sync.Mutex
		all     = readings{slowest: math.MaxInt64}
	)
	for n := range o.clients {
		readers.Go(func() {
			r := &reader{client: client, object: o.largeAt(n), address: address, pace: pace{bytesPerSecond: o.rateMiB * mib}}
			err := r.read(ctx)
			mu.Lock()
			defer mu.Unlock()
			all.add(r.bytes, err)
		})
	}
	readers.Wait()
	return all
}

func (r *readings) add(bytes int64, err error) {
	r.bytes += bytes
	r.slowest = min(r.slowest, bytes)
	if err != nil {
		r.failed++
		r.err = err
	}
}

// reader is one slow client.
type reader struct {
	client  *http.Client
	address string // of the node
	object  pattern.Object
	pace    pace
	bytes   int64 // right ones
}

// read reads until the context ends. Anything else that ends it is an error.
func (r *reader) read(ctx context.Context) error {
	r.pace.next = time.Now()
	for {
		err := r.readOnce(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *reader) readOnce(ctx context.Context) error {
	url := "http://" + r.address + pathOf(r.object)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.ContentLength != r.object.Size {
		return fmt.Errorf("%s: %s, %d bytes", url, response.Status, response.ContentLength)
	}
	piece := make([]byte, pieceBytes)
	for at := int64(0); at < r.object.Size; {
		n, err := io.ReadFull(response.Body, piece[:min(pieceBytes, r.object.Size-at)])
		if err != nil {
			return fmt.Errorf("%s at byte %d: %w", url, at, err)
		}
		if err := r.object.Check(piece[:n], at); err != nil {
			return err
		}
		at += int64(n)
		r.bytes += int64(n)
		if err := r.pace.wait(ctx, n); err != nil {
			return err
		}
	}
	return nil
}
