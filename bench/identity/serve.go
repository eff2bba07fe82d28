package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"rookery/auth"
	"rookery/gateway"
	"rookery/internal/pattern"
	"rookery/node"
	"rookery/object"
	"rookery/purge"
	"rookery/ring"
	"rookery/store"
)

// The two buckets, which show the same objects.
const (
	open    = "open"
	guarded = "guarded"
)

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
	o := pattern.Object{Bucket: f.Key.Bucket, Key: f.Key.Name, Version: "1", Size: s.bytes}
	info := &object.Info{
		Version: object.VersionOf(etag, o.Size), Size: o.Size, ETag: etag,
		LastModified: time.Unix(1_700_000_000, 0).UTC(), Validated: time.Now(),
		Header: []object.Field{{Name: "Content-Type", Value: "image/png"}},
	}
	return &object.Fetched{Info: info, ETag: etag, Length: o.Size, Size: o.Size, Body: io.NopCloser(o.Reader())}, nil
}

// guard wants a token of RS256, a role, and a subject that is the first segment of the
// name. The tokens are those of the subjects.
func guard(ctx context.Context, o options) (*auth.Guard, []string, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, nil, err
	}
	verifier, err := auth.NewJWT(ctx, auth.JWTOptions{Issuers: []auth.Issuer{{
		Name: "https://issuer.test", Algorithms: []string{"RS256"}, Audience: []string{"shop"}, Keys: []auth.Key{{ID: "k", Value: &key.PublicKey}},
	}}})
	if err != nil {
		return nil, nil, err
	}
	role, err := auth.NewClaim([]string{"realm_access", "roles"}, "contains", "reader")
	if err != nil {
		return nil, nil, err
	}
	rule := auth.Claims{role, &auth.PathPattern{Segments: []auth.PathSegment{{Claim: []string{"sub"}}}, Below: true}}
	tokens := make([]string, o.subjects)
	for i := range tokens {
		token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
			"iss": "https://issuer.test", "aud": "shop", "sub": strconv.Itoa(i), "exp": time.Now().Add(24 * time.Hour).Unix(),
			"realm_access": map[string]any{"roles": []string{"reader", "writer"}}, "email": "someone@example.test",
		})
		token.Header["kid"] = "k"
		if tokens[i], err = token.SignedString(key); err != nil {
			return nil, nil, err
		}
	}
	return auth.NewGuard(false, []auth.Scheme{verifier}, []auth.Rule{rule}), tokens, nil
}

// serve is a node alone under a lease, until the context ends. Its first line of
// output is its address, and then come the tokens.
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
	of := node.Bucket{Origin: origin{o.bytes}, Freshness: object.Freshness{Default: 24 * time.Hour}}
	n, err := node.New(node.Options{
		Name: "alone", Store: s, Ring: new(ring.Ring), Purges: state, FlightBytes: 64 << 20,
		Buckets: map[string]node.Bucket{open: of, guarded: of},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	g, tokens, err := guard(ctx, o)
	if err != nil {
		return err
	}
	core, err := gateway.New(gateway.Options{Reader: n, Policy: gateway.Policy{Routes: []gateway.Route{{Bucket: open}, {Bucket: guarded, Guard: g}}}})
	if err != nil {
		return err
	}
	return listen(ctx, core, tokens)
}

func listen(ctx context.Context, core *gateway.Core, tokens []string) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", core.Handler())
	mux.HandleFunc("GET /-/usage", usage)
	server := gateway.NewServer(mux, slog.New(slog.DiscardHandler))
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // it closes listeners and connections, and the process ends
	defer stop()
	fmt.Println(ln.Addr())
	for _, token := range tokens {
		fmt.Println(token)
	}
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// usage answers with the processor time that this process has used, in microseconds.
func usage(w http.ResponseWriter, _ *http.Request) {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, (used.Utime.Nano()+used.Stime.Nano())/1e3)
}
