package config

import (
	"strings"
	"testing"
)

// refusal is a file and every error that it gives, without the file's name.
type refusal struct{ text, want string }

// oneBucket completes a file that is about something else than buckets.
const oneBucket = "\nbuckets: [{name: b, s3: {bucket: o}}]\n"

func thisHost() (string, error) { return "this-host-0", nil }

// checkRefusals parses each text with the rest behind it.
func checkRefusals(t *testing.T, rest string, all []refusal) {
	t.Helper()
	getenv := environment("EMPTY", "", "PORT", "8080", "WORD", "abc", "KEY16", "MDEyMzQ1Njc4OWFiY2RlZg==")
	for _, c := range all {
		_, _, err := parse("f", []byte(c.text+rest), getenv, thisHost)
		got := "accepted"
		if err != nil {
			got = strings.ReplaceAll(err.Error(), "f:", "")
		}
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}
