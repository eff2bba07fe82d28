package main

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

const oneNode = `
node: {name: rook-0, data_dir: %q}
server: {address: 127.0.0.1, port: %d}
admin: {port: %d, token: t}
cluster: {bind: "127.0.0.1:%d", peer_bind: "127.0.0.1:%d", gossip_key: "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="}
buckets:
  - {name: b, s3: {bucket: b, endpoint: "http://127.0.0.1:1", anonymous: true}}
`

func TestServeNamesAPortInUse(t *testing.T) {
	for taken, what := range []string{"server.port", "admin.port", "cluster", "cluster.peer_bind"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			ports := freePorts(t, 4)
			address := fmt.Sprintf("127.0.0.1:%d", ports[taken])
			l, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			c := begin(t, "serve", "--config", writeConfig(t, fmt.Sprintf(oneNode, t.TempDir(), ports[0], ports[1], ports[2], ports[3])))
			c.exits(exitFailed)
			if last := lastLine(c.stderr.String()); !strings.HasPrefix(last, "rookery: ") || !strings.Contains(last, what) ||
				!strings.Contains(last, address) || !strings.Contains(last, "address already in use") {
				t.Errorf("stderr: %s", c.stderr)
			}
		})
	}
}

// What a configuration may not ask for stops the start, with its line.
func TestServeRefuses(t *testing.T) {
	for name, c := range map[string]struct{ from, to, line, message string }{
		"several nodes without a key": {`gossip_key: "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="`, `join: ["10.0.0.1:7946"]`, "5:", "gossip_key"},
		"several nodes expected":      {`gossip_key: "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="`, `expect: 3`, "5:", "gossip_key"},
		"authentication":              {"{name: b, ", "{name: b, auth: {enabled: true}, ", "7:", "auth"},
		"an unknown key":              {"token: t", "tokn: t", "4:", "tokn"},
	} {
		t.Run(name, func(t *testing.T) {
			text := fmt.Sprintf(oneNode, t.TempDir(), 1, 2, 3, 4)
			file := writeConfig(t, strings.Replace(text, c.from, c.to, 1))
			r := rookery(t, nil, "serve", "--config", file)
			if r.code != exitFailed || r.stdout != "" || !strings.HasPrefix(r.stderr, file+":"+c.line) || !strings.Contains(r.stderr, c.message) {
				t.Errorf("%+v", r)
			}
		})
	}
	r := rookery(t, nil, "serve", "--config", t.TempDir()+"/absent.yaml")
	if r.code != exitFailed || !strings.Contains(r.stderr, "absent.yaml") {
		t.Errorf("a file that is not there: %+v", r)
	}
}
