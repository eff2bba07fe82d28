package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"rookery/gateway"
	"rookery/internal/pattern"
	"rookery/node"
	"rookery/object"
	"rookery/purge"
	"rookery/ring"
	"rookery/store"
)

const tagHeader = "X-Amz-Meta-Cache-Tag"

// council is the one that the measured node belongs to.
var council = [16]byte{1}

// origin makes the objects up. Only the first read of each comes here.
type origin struct{ bytes int64 }

func (origin) Head(_ context.Context, key object.Key, _ string) (*object.Info, error) {
	return nil, fmt.Errorf("%s is asked for again: %w", key, object.ErrBroken)
}

func (origin) Query(context.Context, object.Query) (*object.Document, error) {
	return nil, fmt.Errorf("a list is asked for: %w", object.ErrBroken)
}

func (s origin) Get(_ context.Context, f object.Fetch) (*object.Fetched, error) {
	const etag = `"0123456789abcdef0123456789abcdef"`
	o := pattern.Object{Bucket: bucket, Key: f.Key.Name, Version: "1", Size: s.bytes}
	info := &object.Info{
		Version: object.VersionOf(etag, o.Size), Size: o.Size, ETag: etag,
		LastModified: time.Unix(1_700_000_000, 0).UTC(), Validated: time.Now(),
		Header: []object.Field{{Name: "Content-Type", Value: "image/png"}, {Name: tagHeader, Value: "one, two"}},
	}
	return &object.Fetched{Info: info, ETag: etag, Length: o.Size, Size: o.Size, Body: io.NopCloser(o.Reader())}, nil
}

// serve is a node alone under a lease, until the context ends. Its first line of
// output is its address.
func serve(ctx context.Context, o options) (err error) {
	s, err := store.Open(store.Options{Dir: o.serve, Capacity: 1 << 30, IndexMemory: 8 << 20, HotBytes: 64 << 20})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	state := purge.NewState()
	state.Join(council)
	state.Pass(1)
	state.Grant(council, time.Now(), 24*time.Hour)
	n, err := node.New(node.Options{
		Name: "alone", Store: s, Ring: new(ring.Ring), Purges: state, FlightBytes: 64 << 20,
		Buckets: map[string]node.Bucket{bucket: {
			Origin: origin{o.bytes}, Freshness: object.Freshness{Default: 24 * time.Hour}, TagHeaders: []string{tagHeader},
		}},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	core, err := gateway.New(gateway.Options{Reader: n, Policy: gateway.Policy{Routes: []gateway.Route{{Bucket: bucket, PathPrefix: "/"}}}})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", core.Handler())
	mux.HandleFunc("POST /-/purge", func(http.ResponseWriter, *http.Request) { purgeOthers(state, o.floors) })
	mux.HandleFunc("GET /-/usage", usage)
	server := gateway.NewServer(mux, slog.New(slog.DiscardHandler))
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // it closes listeners and connections, and the process ends
	defer stop()
	fmt.Println(ln.Addr())
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// purgeOthers leaves floors that are newer than all that is held, and cover none of
// it.
func purgeOthers(state *purge.State, floors int) {
	for i := range floors {
		scope := purge.Scope{Kind: purge.Prefix, Bucket: bucket, Name: fmt.Sprintf("small-x%d/", i)}
		if i%2 == 0 {
			scope = purge.Scope{Kind: purge.Tag, Bucket: bucket, Name: fmt.Sprint("tag-", i)}
		}
		number := state.Note().Applied + 1
		state.Apply(number, &purge.Order{ID: fmt.Sprint(number), Scopes: []purge.Scope{scope}})
	}
}

// usage answers with the processor time that this process has used, in microseconds.
func usage(w http.ResponseWriter, _ *http.Request) {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, micros(used.Utime)+micros(used.Stime))
}

func micros(t syscall.Timeval) int64 { return t.Nano() / 1e3 }

// usageOf asks a server for its usage, in seconds.
func usageOf(ctx context.Context, client *http.Client, s *server) (float64, error) {
	body, err := fetch(ctx, client, http.MethodGet, s.url+"/-/usage")
	if err != nil {
		return 0, err
	}
	var used int64
	if _, err := fmt.Sscan(string(body), &used); err != nil {
		return 0, fmt.Errorf("usage %q: %w", body, err)
	}
	return float64(used) / 1e6, nil
}
