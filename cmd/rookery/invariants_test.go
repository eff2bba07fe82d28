package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test that docs/invariants.md names exists.
func TestInvariantsNameTheirTests(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "docs", "invariants.md"))
	if err != nil {
		t.Fatal(err)
	}
	test := regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`)
	there := make(map[string]bool)
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, name := range test.FindAllString(string(source), -1) {
			there[name] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := test.FindAllString(string(text), -1)
	if len(named) < 40 {
		t.Errorf("only %d tests are named: is this the right document?", len(named))
	}
	for _, name := range named {
		if !there[name] {
			t.Errorf("docs/invariants.md names %s, which does not exist", name)
		}
	}
}
