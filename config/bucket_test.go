package config

import "testing"

// TestBadBucketsAreRefused has the rules of buckets, their origins and their routes.
func TestBadBucketsAreRefused(t *testing.T) {
	checkRefusals(t, "", []refusal{
		{`buckets:`, `1:1: buckets: want at least one`},
		{`buckets: []`, `1:1: buckets: want at least one`},
		{`buckets: {name: b}`, `1:10: buckets: want a list, got a section`},
		{`buckets: [b]`, `1:11: buckets[0]: want a section of keys and values, got text`},
		{`node: {name: n}`, `1:1: buckets: want at least one`},
		{"buckets:\n  - s3: {bucket: o}", `2:5: buckets[0].name: is missing`},
		{"buckets:\n  - name: b", `2:5: buckets[0].s3.bucket: is missing`},
		{"buckets:\n  - name: b\n    s3: {region: r}", `3:5: buckets[0].s3.bucket: is missing`},
		{"buckets:\n  - name: a/b\n    s3: {bucket: o}", `2:11: buckets[0].name: "a/b": want 1 to 63 letters, digits, dots, dashes or underscores, a letter or digit first`},
		{"buckets:\n  - name: a\n    s3: {bucket: o}\n  - name: a\n    s3: {bucket: p}", `4:11: buckets[1]: name a also selects buckets[0] (name a, line 2): each must select exactly one bucket`},
		{"server: {domain: x.y}\nbuckets:\n  - name: a\n    s3: {bucket: o}\n  - name: A\n    s3: {bucket: p}", `5:11: buckets[1]: virtual host a.x.y also selects buckets[0] (virtual host a.x.y, line 3): each must select exactly one bucket`},
		{"buckets:\n  - name: a\n    s3: {bucket: o}\n  - name: b\n    path_prefix: /a/\n    s3: {bucket: p}", `5:18: buckets[1]: path_prefix /a also selects buckets[0] (name a, line 2): each must select exactly one bucket`},
		{"buckets:\n  - name: a\n    path_prefix: /b\n    s3: {bucket: o}\n  - name: b\n    s3: {bucket: p}", `5:11: buckets[1]: name b also selects buckets[0] (path_prefix /b, line 3): each must select exactly one bucket`},
		{"buckets:\n  - name: a\n    path_prefix: /\n    s3: {bucket: o}\n  - name: b\n    path_prefix: /\n    s3: {bucket: p}", `6:18: buckets[1]: path_prefix / also selects buckets[0] (path_prefix /, line 3): each must select exactly one bucket`},
		{`buckets: [{name: b, path_prefix: x, s3: {bucket: o}}]`, `1:34: buckets[0].path_prefix: "x" does not start with a slash`},
		{`buckets: [{name: b, path_prefix: /x//y, s3: {bucket: o}}]`, `1:34: buckets[0].path_prefix: "/x//y" has an empty, . or .. segment`},
		{`buckets: [{name: b, path_prefix: /x/../y, s3: {bucket: o}}]`, `1:34: buckets[0].path_prefix: "/x/../y" has an empty, . or .. segment`},
		{`buckets: [{name: b, path_prefix: /x%20y, s3: {bucket: o}}]`, `1:34: buckets[0].path_prefix: "/x%20y" contains %, ? or #: write the path decoded and without a query`},
		{`buckets: [{name: b, path_prefix: //, s3: {bucket: o}}]`, `1:34: buckets[0].path_prefix: "//" has an empty, . or .. segment`},
		{`buckets: [{name: b, s3: {bucket: o, access_key: k}}]`, `1:49: buckets[0].s3.access_key: secret_key is missing beside it: give both or none`},
		{`buckets: [{name: b, s3: {bucket: o, secret_key: k}}]`, `1:49: buckets[0].s3.secret_key: access_key is missing beside it: give both or none`},
		{`buckets: [{name: b, s3: {bucket: o, access_key: a, secret_key: k, anonymous: true}}]`, `1:78: buckets[0].s3.anonymous: keys and anonymous: true contradict each other`},
		{`buckets: [{name: b, s3: {bucket: o, access_key: a, secret_key: ${EMPTY}}}]`, `1:64: buckets[0].s3.secret_key: is empty: give it a value or leave the key out`},
		{`buckets: [{name: b, s3: {bucket: o, endpoint: minio:9000}}]`, `1:47: buckets[0].s3.endpoint: want a URL such as https://s3.example.com`},
		{`buckets: [{name: b, s3: {bucket: o, endpoint: http://u:p@h/}}]`, `1:47: buckets[0].s3.endpoint: want no user or password in the URL: use access_key and secret_key`},
		{`buckets: [{name: b, s3: {bucket: o, endpoint: http://h/p}}]`, `1:47: buckets[0].s3.endpoint: want a URL without a path or a query`},
		{`buckets: [{name: b, s3: {bucket: o, endpoint: ftp://h}}]`, `1:47: buckets[0].s3.endpoint: want a URL such as https://s3.example.com`},
		{`buckets: [{name: b, s3: {bucket: o, timeout: 0}}]`, `1:46: buckets[0].s3.timeout: 0 is out of range: want 1 to 600`},
		{`buckets: [{name: b, s3: {bucket: o, timeout: 1ms}}]`, `1:46: buckets[0].s3.timeout: 1ms is out of range: want 100ms to 10m`},
		{`buckets: [{name: b, s3: {bucket: o, retry: {max_attempts: 0}}}]`, `1:59: buckets[0].s3.retry.max_attempts: 0 is out of range: want 1 to 10`},
		{`buckets: [{name: b, s3: {bucket: o, retry: {max_backoff_ms: 1s}}}]`, `1:61: buckets[0].s3.retry.max_backoff_ms: want a whole number, got "1s"`},
		{`buckets: [{name: b, s3: {bucket: o, retry: {initial_backoff_ms: 50, max_backoff_ms: 40}}}]`, `1:85: buckets[0].s3.retry.max_backoff_ms: max_backoff_ms (40) is less than initial_backoff_ms (50)`},
		{`buckets: [{name: b, s3: {bucket: o, retry: {initial_backoff_ms: 2000}}}]`, `1:65: buckets[0].s3.retry.initial_backoff_ms: max_backoff_ms (1000) is less than initial_backoff_ms (2000)`},
		{`buckets: [{name: b, s3: {bucket: o, connection_pool_size: 0}}]`, `1:59: buckets[0].s3.connection_pool_size: 0 is out of range: want 1 to 10000`},
	})
}
