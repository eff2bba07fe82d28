package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// unlooked is how node/purged.go reads in the program that does not keep the promise.
var unlooked = []struct{ old, now string }{
	{"return n.purges.Leased(n.now()) || n.policy(key).StaleWithoutLease", "return true"},
	{"return n.purges.Judge(key, n.tags(key, info), info.Note)", "return purge.Alive"},
	{"if hot.Alive.Load() == known {", "if known != nil {"},
}

// build compiles this command twice: as the repository has it, and without a look at
// the lease and the floors. It runs in the repository's root.
func build(ctx context.Context, dir string) (programs [2]string, err error) {
	const file = "node/purged.go"
	text, err := os.ReadFile(file)
	if err != nil {
		return programs, fmt.Errorf("run it in the repository's root: %w", err)
	}
	source, err := unlook(string(text))
	if err != nil {
		return programs, fmt.Errorf("%s: %w", file, err)
	}
	changed := filepath.Join(dir, "purged.go")
	if err := os.WriteFile(changed, []byte(source), 0o600); err != nil {
		return programs, err
	}
	original, err := filepath.Abs(file)
	if err != nil {
		return programs, err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err != nil {
		return programs, err
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		return programs, err
	}
	programs = [2]string{filepath.Join(dir, "with"), filepath.Join(dir, "without")}
	if err := compile(ctx, "-o", programs[0]); err != nil {
		return programs, err
	}
	return programs, compile(ctx, "-overlay", overlayFile, "-o", programs[1])
}

// unlook takes the look at the lease and the floors out of a source.
func unlook(source string) (string, error) {
	for _, change := range unlooked {
		if strings.Count(source, change.old) != 1 {
			return "", fmt.Errorf("it has not one %q: the code has moved on without this bench", change.old)
		}
		source = strings.Replace(source, change.old, change.now, 1)
	}
	return source, nil
}

func compile(ctx context.Context, args ...string) error {
	c := exec.CommandContext(ctx, "go", append(append([]string{"build"}, args...), "./bench/lease")...)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	return nil
}
