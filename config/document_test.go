package config

import "testing"

// TestWhatIsNoConfigurationIsRefused has faults of the file as such.
func TestWhatIsNoConfigurationIsRefused(t *testing.T) {
	checkRefusals(t, "", []refusal{
		{``, `1:1: buckets: want at least one`},
		{`- 1`, `1:1: the file: want a section of keys and values, got a list`},
		{`just text`, `1:1: the file: want a section of keys and values, got text`},
		{`a: [1`, `1:4: not YAML: sequence end token ']' not found`},
		{"\tserver: 1", `1:7: not YAML: tab character cannot use as a map key directly`},
		{"node: {name: n}\n---\nnode: {name: m}", `3:1: a second YAML document: one file configures one node`},
		{"node: \xff", `1:1: not UTF-8 text`},
		{"node: {name: \ufdd0}", `1:1: contains a Unicode noncharacter (U+FDD0 to U+FDD2)`},
		{"node: {name: n}\nserver: {port: 0, adress: x}\ncache: {memory: 1}", `1:1: buckets: want at least one
2:16: server.port: 0 is out of range: want 1 to 65535
2:19: server.adress: unknown key; did you mean address?
3:17: cache.memory: 1 is too small: want at least 64MiB`},
	})
}

// TestWhatYAMLAllowsIsRefused has faults that are not about any one key.
func TestWhatYAMLAllowsIsRefused(t *testing.T) {
	checkRefusals(t, oneBucket, []refusal{
		{"node: {name: n}\nnode: {name: m}", `2:1: node: the key is there twice (first on line 1)`},
		{`node: {name: n, name: m}`, `1:17: name: the key is there twice (first on line 1)`},
		{`jwt: {enabled: false, claims: [{a: 1, a: 2}]}`, `1:39: a: the key is there twice (first on line 1)`},
		{`server: {prt: 80}`, `1:10: server.prt: unknown key; did you mean port?`},
		{`servr: {port: 80}`, `1:1: servr: unknown key; did you mean server?`},
		{`node: {dataDir: /x}`, `1:8: node.dataDir: unknown key; did you mean data_dir?`},
		{`xyzzy: 1`, `1:1: xyzzy: unknown key`},
		{`bucket: []`, `1:1: bucket: unknown key; did you mean buckets?`},
		{`cluster: {gossipkey: x}`, `1:11: cluster.gossipkey: unknown key; did you mean gossip_key?`},
		{`server: {port: ${PORTT}}`, `1:16: server.port: ${PORTT} is not set`},
		{`node: {name: ${}}`, `1:15: not YAML: ',' or '}' must be specified`},
		{`node: {name: "${A-b}"}`, `1:14: node.name: malformed reference: want ${NAME} or ${NAME:-default}, or $${ for a plain ${`},
		{`node: {name: "a${"}`, `1:14: node.name: malformed reference: want ${NAME} or ${NAME:-default}, or $${ for a plain ${`},
		{"node: {data_dir: |\n a\n b\n}", `2:2: not YAML: ',' or '}' must be specified`},
		{`node: &n {name: *n}`, `1:17: node.name: want text, got a section`},
		{`node: *nope`, `1:7: *nope: there is no anchor &nope`},
		{`node: {name: &x a, zone: &x b}`, `1:26: the anchor &x is defined twice`},
		{`node: {<<: {name: n}}`, `1:8: merge keys (<<) are not supported: write the keys out`},
		{`node: {name: !!str 12}`, `1:14: tags (!!str) are not supported
1:14: node.name: want text, got a number: put it in quotes`},
		{"? [a]\n: b", `2:1: not YAML: found an invalid key for this map`},
		{`12: x`, `1:1: 12: unknown key`},
		{`a: &a *a`, `1:7: not YAML: unexpected scalar value type`},
	})
}
