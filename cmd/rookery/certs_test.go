package main

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rookery/cmd/run"
	"rookery/config"
)

// madeCerts runs the command and returns the directory.
func madeCerts(t *testing.T, names ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pki")
	r := rookery(t, nil, append([]string{"certs", "--dir", dir, "--also", "127.0.0.1"}, names...)...)
	if r.code != exitDone {
		t.Fatalf("%+v", r)
	}
	for _, name := range names {
		want := fmt.Sprintf("# %s\ncluster:\n  peer_tls: {cert: %q, key: %q, ca: %q}\n", name,
			filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"), filepath.Join(dir, "ca.crt"))
		if !strings.Contains(r.stdout, want) {
			t.Errorf("it prints\n%s\nwant\n%s", r.stdout, want)
		}
	}
	return dir
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCertsOverwriteNothing(t *testing.T) {
	dir := madeCerts(t, "rook-0", "rook-1")
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 6 {
		t.Errorf("%d files (%v): %v", len(entries), err, entries)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode() != fs.FileMode(0o600) {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
	before := map[string]string{}
	for _, e := range entries {
		before[e.Name()] = read(t, dir, e.Name())
	}
	r := rookery(t, nil, "certs", "--dir", dir, "rook-2", "rook-1")
	if r.code != exitFailed || !strings.Contains(r.stderr, "rook-1.crt is there already: --force replaces it") {
		t.Errorf("%+v", r)
	}
	if _, err := os.Lstat(filepath.Join(dir, "rook-2.crt")); err == nil {
		t.Error("half of it was done")
	}
	if r := rookery(t, nil, "certs", "--dir", dir, "--force", "--days", "7", "rook-1"); r.code != exitDone {
		t.Fatalf("%+v", r)
	}
	for name, text := range before {
		if changed := read(t, dir, name) != text; changed != strings.HasPrefix(name, "rook-1.") {
			t.Errorf("%s has changed: %v", name, changed)
		}
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "rook-1.crt"), filepath.Join(dir, "rook-1.key"))
	if left := time.Until(pair.Leaf.NotAfter); err != nil || left < 6*day || left > 7*day {
		t.Errorf("valid for %v, %v", left, err)
	}
	if err := os.Remove(filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"rook-3"}, {}, {"ca"}, {"../x"}, {"*"}, {"--days", "0", "rook-3"}} {
		if r := rookery(t, nil, append([]string{"certs", "--dir", dir, "--force"}, args...)...); r.code != exitFailed {
			t.Errorf("%v: %+v", args, r)
		}
	}
	if read(t, dir, "ca.crt") != before["ca.crt"] {
		t.Error("the CA was replaced")
	}
}

// TestNodesStartWithTheirCertificates: two nodes know each other by what the command made,
// and an operator asks one of them by TLS, who shows a certificate as well.
func TestNodesStartWithTheirCertificates(t *testing.T) {
	dir := madeCerts(t, "rook-0", "rook-1", "operator")
	var nodes []*run.Node
	for i := range 2 {
		name := fmt.Sprintf("rook-%d", i)
		text := fmt.Sprintf(`
node: {name: %s, data_dir: %q}
admin: {token: t, tls: {cert: %[3]q, key: %[4]q, client_ca: %[5]q}}
cluster: {gossip_key: MDEyMzQ1Njc4OWFiY2RlZg==, expect: 2, peer_tls: {cert: %[3]q, key: %[4]q, ca: %[5]q}}
cache: {memory: 64MiB, disk: 512MiB}
buckets: [{name: b, s3: {bucket: b, anonymous: true, endpoint: "http://127.0.0.1:1"}}]
`, name, t.TempDir(), filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"), filepath.Join(dir, "ca.crt"))
		cfg, _, err := config.Parse("f", []byte(text), os.LookupEnv)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Server.Address, cfg.Server.Port, cfg.Admin.Port, cfg.Cluster.Bind, cfg.Cluster.PeerBind = "127.0.0.1", 0, 0, "127.0.0.1:0", "127.0.0.1:0"
		for _, n := range nodes {
			cfg.Cluster.Join = append(cfg.Cluster.Join, n.GossipAddress())
		}
		if err := run.Check(t.Context(), cfg); err != nil {
			t.Error(err)
		}
		n, err := run.Start(t.Context(), cfg, run.Options{Log: slog.New(slog.DiscardHandler), Loopback: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.Close(t.Context()); err != nil {
				t.Log(err)
			}
		})
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		if err := n.AwaitReady(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
	}
	_, port, err := net.SplitHostPort(nodes[0].AdminAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	env := map[string]string{"ROOKERY_ADMIN": "https://127.0.0.1:" + port, "ROOKERY_TOKEN": "t", "ROOKERY_ADMIN_CA": file("ca.crt")}
	pair := []string{"--client-cert", file("operator.crt"), "--client-key", file("operator.key")}
	if r := rookery(t, env, append([]string{"status"}, pair...)...); r.code != exitDone || !strings.Contains(r.stdout, "rook-1") {
		t.Errorf("%+v", r)
	}
	for name, c := range map[string]struct {
		change map[string]string
		args   []string
		want   string
	}{
		"no certificate":    {nil, nil, "certificate required"},
		"no CA":             {map[string]string{"ROOKERY_ADMIN_CA": ""}, pair, "unknown authority"},
		"clear":             {map[string]string{"ROOKERY_ADMIN": "http://127.0.0.1:" + port}, nil, "does not answer like"},
		"a CA that is none": {map[string]string{"ROOKERY_ADMIN_CA": file("ca.key")}, pair, "holds no certificate"},
		"no file":           {map[string]string{"ROOKERY_ADMIN_CA": file("nothing")}, pair, "no such file"},
		"half a pair":       {nil, pair[:2], "--client-cert and --client-key"},
	} {
		other := map[string]string{}
		for k, v := range env {
			other[k] = v
		}
		for k, v := range c.change {
			other[k] = v
		}
		r := rookery(t, other, append([]string{"status"}, c.args...)...)
		if r.code != exitFailed || !strings.Contains(r.stderr, c.want) || strings.Contains(r.stderr, "ROOKERY_TOKEN=") {
			t.Errorf("%s: %+v, want %q", name, r, c.want)
		}
	}
}
