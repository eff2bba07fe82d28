package faults

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFaults is the whole of it. Its variables: ROOKERY_FAULTS is the program,
// ROOKERY_FAULTS_DURATION how long it may take, ROOKERY_FAULTS_ONLY the names of
// the faults to bring about, ROOKERY_FAULTS_SEED a run's order of requests.
func TestFaults(t *testing.T) {
	s := settingsOf(t)
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := clearLeftovers(ctx); err != nil {
		t.Fatal(err)
	}
	c, err := newCluster(ctx, s.program)
	defer func() {
		if err := c.close(t.Failed()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("configurations and logs are in %s", c.dir)
		}
	}()
	if err != nil {
		t.Fatal(err)
	}
	var results []*result
	for _, f := range faults() {
		if !s.asked(f.name) {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			r, err := f.run(ctx, c, s.rounds, s.seed)
			if err != nil {
				t.Error(err)
			}
			results = append(results, r)
			report(t, r)
			if err := c.heal(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	fmt.Println()
	table(os.Stdout, results)
}

// report says what is not as it should be.
func report(t *testing.T, r *result) {
	t.Helper()
	for _, b := range r.broken {
		t.Error(b)
	}
	shown := map[class]int{}
	for _, s := range r.samples {
		if failed(s) && shown[s.class] < keepErrs {
			shown[s.class]++
			t.Logf("at %v, through %d: %v", s.at, s.node, s.err)
		}
	}
	for _, n := range r.notes {
		t.Log(n)
	}
}

// settings are what the environment says.
type settings struct {
	program string
	only    []string
	rounds  int
	seed    uint64
}

const shortForm = 4 * time.Minute

func settingsOf(t *testing.T) settings {
	t.Helper()
	program := os.Getenv("ROOKERY_FAULTS")
	if program == "" {
		t.Skip("ROOKERY_FAULTS names no program: make test-cluster does")
	}
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is missing (Debian: iproute2, nftables)", tool)
		}
	}
	probe := fmt.Sprintf("%s%d-probe", prefix, os.Getpid())
	if err := command(context.Background(), "ip", "netns", "add", probe); err != nil {
		t.Skipf("no network namespaces here: %v", err)
	}
	if err := command(context.Background(), "ip", "netns", "del", probe); err != nil {
		t.Fatal(err)
	}
	s := settings{rounds: 1, seed: 1}
	var err error
	if s.program, err = filepath.Abs(program); err != nil {
		t.Fatal(err)
	}
	if only := os.Getenv("ROOKERY_FAULTS_ONLY"); only != "" {
		s.only = strings.Split(only, ",")
	}
	return s
}

func (s settings) asked(name string) bool { return len(s.only) == 0 || slices.Contains(s.only, name) }
