package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test that a document names as the one that shows something exists.
func TestDocumentsNameTheirTests(t *testing.T) {
	root := filepath.Join("..", "..")
	test := regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`)
	there := make(map[string]bool)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, name := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w+)\(`).FindAllStringSubmatch(string(source), -1) {
			there[name[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for document, least := range map[string]int{"invariants.md": 40, "freshness.md": 60} {
		text, err := os.ReadFile(filepath.Join(root, "docs", document))
		if err != nil {
			t.Fatal(err)
		}
		named := test.FindAllString(string(text), -1)
		if len(named) < least {
			t.Errorf("%s names only %d tests: is this the right document?", document, len(named))
		}
		for _, name := range named {
			if !there[name] {
				t.Errorf("docs/%s names %s, which does not exist", document, name)
			}
		}
	}
}

// Every row of docs/freshness.md names a test.
func TestEveryRowOfFreshnessNamesATest(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "freshness.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasSuffix(strings.TrimSpace(line), "| test |") {
			continue
		}
		if rows++; !strings.Contains(line, "`Test") {
			t.Errorf("no test for %s", line)
		}
	}
	if rows < 50 {
		t.Errorf("only %d rows", rows)
	}
}
