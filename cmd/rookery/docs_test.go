package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// metricName finds a metric's name where it stands at the start of a string or
// of a cell of the documentation's tables.
var metricName = regexp.MustCompile("[\"`](rookery_[a-z0-9_]+)")

// What operators are told must exist, and what exists they must be told: the
// names of metrics in the code and in docs/operations.md are the same.
func TestOperationsListsEveryMetric(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := names(string(text))
	made := make(map[string]bool)
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root:
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		maps.Copy(made, names(string(source)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range made {
		if !documented[name] {
			t.Errorf("%s is not in docs/operations.md", name)
		}
	}
	for name := range documented {
		if !made[name] {
			t.Errorf("docs/operations.md tells of %s, which does not exist", name)
		}
	}
}

func names(text string) map[string]bool {
	found := make(map[string]bool)
	for _, m := range metricName.FindAllStringSubmatch(text, -1) {
		found[m[1]] = true
	}
	return found
}
