package config

import (
	"bytes"
	"strings"
	"testing"
)

func TestParseGossipKeys(t *testing.T) {
	const a, b = "MDEyMzQ1Njc4OWFiY2RlZg==", "ZmVkY2JhOTg3NjU0MzIxMA=="
	keys, err := ParseGossipKeys([]byte("# the new one\n" + a + "  \r\n\n  " + b))
	if err != nil || len(keys) != 2 || string(keys[0]) != "0123456789abcdef" || string(keys[1]) != "fedcba9876543210" {
		t.Errorf("keys %q, %v", keys, err)
	}
	for text, problem := range map[string]string{
		"": "no key in it", "# none\n\n": "no key in it",
		a + "\nnot base64!":     "line 2: not base64",
		"c2hvcnQ=":              "line 1: 5 bytes long",
		a + "\n" + b + "\n" + a: "line 3: the key is there twice",
		"\x00\xff":              "line 1: not base64",
	} {
		_, err := ParseGossipKeys([]byte(text))
		if err == nil || !strings.Contains(err.Error(), problem) || strings.Contains(err.Error(), a) {
			t.Errorf("%q: %v, want %q", text, err, problem)
		}
	}
	var many bytes.Buffer
	for i := range maxGossipKeys + 1 {
		many.WriteString(encodeKey(bytes.Repeat([]byte{byte(i)}, 16)) + "\n")
	}
	if _, err := ParseGossipKeys(many.Bytes()); err == nil {
		t.Error("any number of keys is taken")
	}
}

func TestGossipKeyFile(t *testing.T) {
	c := mustParse(t, `
node: {name: rook-0}
cluster: {join: ["rook-1:7946"], gossip_key_file: /keys/gossip, expect: 3}`+oneBucket, environment())
	if c.Cluster.GossipKeyFile != "/keys/gossip" || c.Cluster.Alone() {
		t.Errorf("%+v", c.Cluster)
	}
	c = mustParse(t, "node: {name: rook-0}\ncluster: {gossip_key_file: k}"+oneBucket, environment())
	if c.Cluster.Alone() {
		t.Error("a node with a file of keys is alone")
	}
	for text, problem := range map[string]string{
		"cluster: {gossip_key_file: k, gossip_key: MDEyMzQ1Njc4OWFiY2RlZg==}": "not both",
		"cluster: {label: two words}":                                         "want 1 to 63",
		"admin: {tls: {cert: c}}":                                             "both cert and key",
		"admin: {tls: {client_ca: c}}":                                        "both cert and key",
	} {
		_, _, err := parse("f", []byte("node: {name: rook-0}\n"+text+oneBucket), environment(), thisHost)
		if err == nil || !strings.Contains(err.Error(), problem) || !strings.Contains(err.Error(), "f:2:") {
			t.Errorf("%s: %v, want %q", text, err, problem)
		}
	}
}

func TestExposed(t *testing.T) {
	for address, want := range map[string]bool{"127.0.0.1": false, "::1": false, "localhost": false, "0.0.0.0": true, "10.0.0.1": true, "rook-0": true} {
		if got := (&Admin{Address: address}).Exposed(); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}
