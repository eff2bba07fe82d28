package main

import (
	"os"
	"testing"
)

func TestTheCodeIsWhatThisBenchChanges(t *testing.T) {
	source, err := os.ReadFile("../../node/purged.go")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unlook(string(source)); err != nil {
		t.Fatalf("node/purged.go: %v", err)
	}
}
