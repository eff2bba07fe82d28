package store

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// killDir names the directory in which a child of TestKilledProcess writes.
const killDir = "ROOKERY_TEST_KILL_DIR"

// TestKilledProcess kills a real process in the middle of its writes, several
// times in the same directory: everything that it had stored is there.
func TestKilledProcess(t *testing.T) {
	if dir := os.Getenv(killDir); dir != "" {
		writeUntilKilled(t, dir)
		return
	}
	dir := t.TempDir()
	stored := 0
	for round := range 4 {
		stored = runAndKill(t, dir, stored, 200+77*round)
		s := mustOpen(t, killOptions(dir))
		for i := range stored {
			killThing(i).mustHave(t, s)
		}
		if n := s.Stats().CorruptRecords; n != 0 {
			t.Errorf("round %d: %d corrupt records", round, n)
		}
		mustClose(t, s)
	}
}

func killOptions(dir string) Options {
	opt := small(dir, newClock())
	opt.Capacity, opt.SegmentBytes = 256<<20, 1<<20
	return opt
}

func killThing(i int) thing { return newThing(fmt.Sprintf("k%d", i), "v", int64(100+i*37%9000)) }

// writeUntilKilled is the child: it stores objects and says so, for ever.
func writeUntilKilled(t *testing.T, dir string) {
	first, err := strconv.Atoi(os.Getenv(killDir + "_FIRST"))
	if err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, killOptions(dir))
	for i := first; ; i++ {
		killThing(i).put(t, s)
		if _, err := fmt.Fprintf(os.Stdout, "\nstored %d\n", i); err != nil {
			return // the parent is gone
		}
	}
}

// runAndKill starts the child, kills it when it has stored n objects more, and
// returns how many are stored in all.
func runAndKill(t *testing.T, dir string, first, n int) int {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledProcess$")
	cmd.Env = append(os.Environ(), killDir+"="+dir, killDir+"_FIRST="+strconv.Itoa(first))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stored := first
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var i int
		if _, err := fmt.Sscanf(lines.Text(), "stored %d", &i); err != nil {
			continue
		}
		stored = i + 1
		if stored == first+n {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || stored < first+n {
		t.Fatalf("the child ended by itself after %d: %v", stored-first, err)
	}
	return stored
}
