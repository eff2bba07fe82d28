package clients

import (
	"os"
	"strings"
	"testing"
)

// The script for boto3 reads the names from a file: it has them all.
func TestTheScriptHasAllNames(t *testing.T) {
	text, err := os.ReadFile("testdata/names.txt")
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Join(names, "\n") + "\n"; string(text) != want {
		t.Errorf("testdata/names.txt has\n%s\nwant\n%s", text, want)
	}
}
