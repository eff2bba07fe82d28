// Package demo runs a whole cluster in one process: an embedded S3 origin with
// sample objects, and real nodes with gossip, peer connections and disks of
// their own, all on loopback. It is the first five minutes of a stranger, and
// with Check the proof that a build does its main job.
package demo

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"rookery/cmd/run"
	"rookery/cmd/s3demo"
	"rookery/config"
)

// Options of Run.
type Options struct {
	Nodes   int    // 1 to 9
	Port    int    // of the first gateway
	Dir     string // where the nodes' data goes; "" is a temporary directory
	Check   bool   // read everything through every node, then end
	Version string
	Out     io.Writer // what people read
	Log     io.Writer // what goes wrong
}

// The ports beside the gateways', counted from the first of them.
const (
	adminOffset  = 1000
	originOffset = 920
	maxNodes     = 9
)

// adminToken is no secret: the demo listens on loopback alone.
const adminToken = "demo"

var errCheck = errors.New("the check failed")

// Validate says what is wrong with the options, in the words of the command line.
func (o Options) Validate() error {
	if o.Nodes < 1 || o.Nodes > maxNodes {
		return fmt.Errorf("--nodes %d: from 1 to %d nodes can be had", o.Nodes, maxNodes)
	}
	if o.Port < 1 || o.Port+adminOffset+o.Nodes > 65536 {
		return fmt.Errorf("--port %d: the admin ports from %d on would not exist", o.Port, o.Port+adminOffset)
	}
	return nil
}

// Run starts the origin and the nodes, and ends them when ctx ends or the check
// is done. It leaves nothing behind but what is in Dir.
func Run(ctx context.Context, o Options) (err error) {
	if err := o.Validate(); err != nil {
		return err
	}
	dir := o.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "rookery-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	origin, err := s3demo.Start(fmt.Sprintf("127.0.0.1:%d", o.Port+originOffset))
	if err != nil {
		return fmt.Errorf("the demo's S3 origin: %w", err)
	}
	defer func() { err = errors.Join(err, origin.Close()) }()

	nodes, err := startNodes(ctx, o, dir)
	defer func() { err = errors.Join(err, stopNodes(nodes)) }()
	if err != nil {
		return err
	}
	if err := awaitReady(ctx, nodes); err != nil {
		return err
	}
	token, err := tokenOf(s3demo.Subject)
	if err != nil {
		return err
	}
	if o.Check {
		return check(ctx, o, token)
	}
	greet(o, token)
	<-ctx.Done()
	fmt.Fprintln(o.Out, "\nending")
	return nil
}

func startNodes(ctx context.Context, o Options, dir string) ([]*run.Node, error) {
	key := make([]byte, 32)
	rand.Read(key)
	log := slog.New(slog.NewTextHandler(o.Log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var nodes []*run.Node
	var join []string
	for i := range o.Nodes {
		cfg, err := nodeConfig(o, i, dir, base64.StdEncoding.EncodeToString(key))
		if err != nil {
			return nodes, err
		}
		// Gossip and peers take free ports: nobody needs to know them beforehand.
		cfg.Cluster.Bind, cfg.Cluster.PeerBind, cfg.Cluster.Join = "127.0.0.1:0", "127.0.0.1:0", join
		n, err := run.Start(ctx, cfg, run.Options{Version: o.Version, Log: log, Loopback: true})
		if err != nil {
			return nodes, fmt.Errorf("node %s: %w", cfg.Node.Name, err)
		}
		nodes = append(nodes, n)
		join = append(join, n.GossipAddress())
	}
	return nodes, nil
}

func nodeName(i int) string { return fmt.Sprintf("rook-%d", i) }

// nodeConfig is the configuration of node i, by way of the text that a user
// would write.
func nodeConfig(o Options, i int, dir, key string) (*config.Config, error) {
	text := fmt.Sprintf(`
node: {name: %[1]s, data_dir: %[2]q}
server: {address: 127.0.0.1, port: %[3]d}
admin: {address: 127.0.0.1, port: %[4]d, token: %[5]s}
cluster: {gossip_key: %[6]q, expect: %[7]d}
cache: {memory: 128MiB, disk: 2GiB}
log: {access: false, level: warn}
buckets:
  - name: public
    path_prefix: /public
    cache: {identity: demo-public} # S3 may have another port the next time
    s3:
      bucket: %[8]s
      region: us-east-1
      endpoint: http://127.0.0.1:%[9]d
      access_key: %[10]s
      secret_key: %[11]s
      path_style: true
  - name: private
    path_prefix: /private
    cache: {identity: demo-private}
    s3:
      bucket: %[12]s
      region: us-east-1
      endpoint: http://127.0.0.1:%[9]d
      access_key: %[10]s
      secret_key: %[11]s
      path_style: true
    auth: {enabled: true, jwt: {claims: [{path: "/users/${sub}/**"}]}}
jwt: {enabled: true, algorithm: HS256, secret: %[13]q}
`, nodeName(i), filepath.Join(dir, nodeName(i)), o.Port+i, o.Port+adminOffset+i, adminToken, key, o.Nodes,
		s3demo.Bucket, o.Port+originOffset, s3demo.AccessKey, s3demo.SecretKey, s3demo.Private, tokenSecret)
	cfg, _, err := config.Parse(fmt.Sprintf("demo node %d", i), []byte(text), func(string) (string, bool) { return "", false })
	return cfg, err
}

func awaitReady(ctx context.Context, nodes []*run.Node) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, n := range nodes {
		if err := n.AwaitReady(ctx, len(nodes)); err != nil {
			return fmt.Errorf("the nodes do not find each other: %w", err)
		}
	}
	return nil
}

// stopNodes ends the nodes, the last one first.
func stopNodes(nodes []*run.Node) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var errs []error
	for i := len(nodes) - 1; i >= 0; i-- {
		errs = append(errs, nodes[i].Close(ctx))
	}
	return errors.Join(errs...)
}
