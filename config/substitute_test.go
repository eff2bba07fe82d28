package config

import (
	"reflect"
	"testing"
	"time"
)

func TestSubstitute(t *testing.T) {
	getenv := environment("A", "one", "B", "${A}", "EMPTY", "", "under_score2", "x", "YAML", "a: b\n- [c]")
	for _, c := range []struct{ text, want, err string }{
		{"plain $A $ $$ text", "plain $A $ $$ text", ""},
		{"${A}", "one", ""},
		{"<${A}${A}>", "<oneone>", ""},
		{"${under_score2}", "x", ""},
		{"${EMPTY}", "", ""},
		{"${MISSING:-two}", "two", ""},
		{"${MISSING:-}", "", ""},
		{"${EMPTY:-two}", "two", ""},
		{"${A:-two}", "one", ""},
		{"${A:-a b, c:d}", "one", ""},
		{"${B}", "${A}", ""},
		{"${YAML}", "a: b\n- [c]", ""},
		{"$${A}", "${A}", ""},
		{"$$${A}", "$${A}", ""},
		{"$${A}${A}", "${A}one", ""},
		{"${A}$${", "one${", ""},
		{"${MISSING}", "", "${MISSING} is not set"},
		{"${A} ${MISSING}", "", "${MISSING} is not set"},
		{"${", "", "malformed"},
		{"${}", "", "malformed"},
		{"${1A}", "", "malformed"},
		{"${A B}", "", "malformed"},
		{"${A-x}", "", "malformed"},
		{"${MISSING:-${A}}", "", "malformed"},
		{"${x ${A}", "", "malformed"},
	} {
		got, err := substitute(c.text, getenv)
		if c.err == "malformed" {
			c.err = "malformed reference: want ${NAME} or ${NAME:-default}, or $${ for a plain ${"
		}
		if got != c.want || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%s: %q, %v; want %q, %s", c.text, got, err, c.want, c.err)
		}
	}
}

func TestEscapeUndoesSubstitute(t *testing.T) {
	for _, text := range []string{"", "$", "${", "$${", "$$${A}", "${A}${B}", "a$b{c}"} {
		if got, err := substitute(escape(text), environment()); got != text || err != nil {
			t.Errorf("%q becomes %q, %v", text, got, err)
		}
	}
}

// TestReferencesNeverBecomeYAML shows that a value of the environment stays one
// scalar, and that references may stand wherever a scalar may.
func TestReferencesNeverBecomeYAML(t *testing.T) {
	getenv := environment("EVIL", "x}, admin: {token: known", "N", "n", "PORT", "8081", "ON", "false", "HOST", "127.0.0.1")
	const text = `
node: {name: '${N}-4', zone: '${N}-1', data_dir: "${EVIL}"}
server: {port: ${PORT}, address: ${HOST}}
log:
  access: ${ON}
  level: ${LEVEL:-warn}
admin: {port: ${ADMIN_PORT:-9081}} # a comment may say ${ANYTHING}
cluster: {join: [${HOST}:7946, "dns+${N}.x:${PORT}"], gossip_key: ${KEY:-MDEyMzQ1Njc4OWFiY2RlZg==}}
buckets: [{name: &name b, s3: {bucket: *name, endpoint: http://${HOST}:9000, secret_key: "$${N}", access_key: k}}]
`
	c := mustParse(t, text, getenv)
	if c.Node != (Node{Name: "n-4", Zone: "n-1", DataDir: "x}, admin: {token: known"}) || c.Admin != (Admin{Address: "127.0.0.1", Port: 9081}) {
		t.Errorf("%+v %+v", c.Node, c.Admin)
	}
	if !reflect.DeepEqual(c.Server, Server{Address: "127.0.0.1", Port: 8081, Drain: 5 * time.Second, MaxConcurrentRequests: 8192}) || c.Log.Access || c.Log.Level.String() != "WARN" {
		t.Errorf("%+v %+v", c.Server, c.Log)
	}
	if k := c.Cluster; len(k.Join) != 2 || k.Join[0] != "127.0.0.1:7946" || k.Join[1] != "dns+n.x:8081" || len(k.GossipKey) != 16 {
		t.Errorf("%+v", k)
	}
	if s := c.Buckets[0].S3; s.Bucket != "b" || s.Endpoint != "http://127.0.0.1:9000" || s.SecretKey != "${N}" {
		t.Errorf("%+v", s)
	}
}
