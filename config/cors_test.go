package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestCORSRulesThatAreNone(t *testing.T) {
	for rule, want := range map[string]string{
		`{}`:                       "f:2:45: buckets[0].cors[0].allowed_origins: is missing",
		`{allowed_origins: ["*"]}`: "f:2:45: buckets[0].cors[0].allowed_methods: is missing",
		`{allowed_origins: [], allowed_methods: GET}`:                            "f:2:63: buckets[0].cors[0].allowed_origins: want at least one",
		`{allowed_origins: "*", allowed_methods: [GET, PUT]}`:                    "f:2:91: buckets[0].cors[0].allowed_methods: \"PUT\" is not a method that clients of Rookery have: want GET or HEAD",
		`{allowed_origins: "*", allowed_methods: get}`:                           "buckets[0].cors[0].allowed_methods: \"get\" is not a method",
		`{allowed_origins: "https://*.a.*", allowed_methods: GET}`:               "buckets[0].cors[0].allowed_origins: \"https://*.a.*\" has more than one *",
		`{allowed_origins: "https://a.example/path", allowed_methods: GET}`:      "is no origin",
		`{allowed_origins: a.example, allowed_methods: GET}`:                     "is no origin",
		`{allowed_origins: "*", allowed_methods: GET, allowed_headers: ["a b"]}`: "buckets[0].cors[0].allowed_headers: \"a b\" is not a header's name",
		`{allowed_origins: "*", allowed_methods: GET, allowed_headers: ["*-*"]}`: "buckets[0].cors[0].allowed_headers: \"*-*\" has more than one *",
		`{allowed_origins: "*", allowed_methods: GET, expose_headers: ["a:"]}`:   "buckets[0].cors[0].expose_headers: \"a:\" is not a header's name",
		`{allowed_origins: "*", allowed_methods: GET, max_age: 25h}`:             "buckets[0].cors[0].max_age: 25h is out of range",
		`{allowed_origins: "*", allowed_methods: GET, allow_credentials: true}`:  "buckets[0].cors[0].allow_credentials: unknown key",
	} {
		text := fmt.Sprintf("node: {name: n}\nbuckets: [{name: b, s3: {bucket: o}, cors: [%s]}]\n", rule)
		_, _, err := parse("f", []byte(text), environment(), thisHost)
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v, want %s", rule, err, want)
		}
	}
}
