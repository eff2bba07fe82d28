package config

import "testing"

const needsKey = "several nodes need cluster.gossip_key or cluster.gossip_key_file (gossip is never sent in clear, and without cluster.peer_tls the peers' certificates derive from it): make one with: openssl rand -base64 32"

// TestBadClustersAreRefused has the rules of the cluster section and of listeners.
func TestBadClustersAreRefused(t *testing.T) {
	checkRefusals(t, oneBucket, []refusal{
		{`cluster: {bind: 7946}`, `1:17: cluster.bind: want text, got a number: put it in quotes`},
		{`cluster: {bind: :7946}`, `1:17: cluster.bind: ":7946" is not host:port`},
		{`cluster: {bind: 0.0.0.0}`, `1:17: cluster.bind: "0.0.0.0" is not host:port`},
		{`cluster: {bind: "h:0"}`, `1:17: cluster.bind: "h:0": want a port from 1 to 65535`},
		{`cluster: {bind: "h:99999"}`, `1:17: cluster.bind: "h:99999": want a port from 1 to 65535`},
		{`cluster: {join: h:1}`, `1:17: cluster.join: want a list, got text`},
		{`cluster: {join: [h, dns+:1], gossip_key: ${KEY16}}`, `1:18: cluster.join: "h" is not host:port
1:21: cluster.join: ":1" is not host:port`},
		{`cluster: {join: [1], gossip_key: ${KEY16}}`, `1:18: cluster.join: want text, got a number: put it in quotes`},
		{"cluster:\n  join: [h:1]", `2:3: cluster.join: ` + needsKey},
		{"cluster:\n  expect: 3", `2:3: cluster.expect: ` + needsKey},
		{"cluster:\n  join: [h:1]\n  peer_tls: {cert: a, key: b, ca: c}", `2:3: cluster.join: ` + needsKey},
		{`cluster: {gossip_key: nope}`, `1:23: cluster.gossip_key: 3 bytes long: want base64 of 16, 24 or 32 bytes`},
		{`cluster: {gossip_key: MDEyMzQ1Njc4OWFiY2Q=}`, `1:23: cluster.gossip_key: 14 bytes long: want base64 of 16, 24 or 32 bytes`},
		{`cluster: {gossip_key: '***', join: [h:1]}`, `1:23: cluster.gossip_key: *** is the mask of a printed configuration: put the secret itself`},
		{`cluster: {peer_tls: {cert: a, key: b}}`, `1:11: cluster.peer_tls: want all of cert, key and ca, or none of them`},
		{`cluster: {expect: 0}`, `1:19: cluster.expect: 0 is out of range: want 1 to 10000`},
		{`cluster: {lease: 100ms}`, `1:18: cluster.lease: 100ms is out of range: want 1s to 1m`},
		{"node: {name: a}\ncluster: {founder: b}", `2:20: cluster.founder: b is another node, but this one is alone (no join, no gossip_key): nobody would start its council`},
		{`cluster: {forget_after: 1s}`, `1:25: cluster.forget_after: 1s is out of range: want 1m to 8760h`},
		{`cluster: {peer_timeout: 2m}`, `1:25: cluster.peer_timeout: 2m is out of range: want 1s to 1m`},
		{`server: {port: 9080, address: 127.0.0.1}`, `1:16: server.port: 127.0.0.1:9080 is taken by admin.port (127.0.0.1:9080, its default)`},
		{"server: {port: 7946}\ncluster: {gossip_key: ${KEY16}}", `1:16: server.port: 0.0.0.0:7946 is taken by cluster.bind (0.0.0.0:7946, its default)`},
		{`cluster: {gossip_key: ${KEY16}, peer_bind: 0.0.0.0:7946}`, `1:44: cluster.peer_bind: 0.0.0.0:7946 is taken by cluster.bind (0.0.0.0:7946, its default)`},
	})
}
