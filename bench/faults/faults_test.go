package faults

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
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
	c, err := newCluster(ctx, options{program: s.program, lease: "5s"})
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
	for _, scenario := range scenarios() {
		if ctx.Err() != nil {
			t.Error(ctx.Err())
			break
		}
		if !s.asked(scenario.named()) {
			continue
		}
		t.Run(scenario.named(), func(t *testing.T) {
			r, err := scenario.run(ctx, c, s)
			if err != nil {
				t.Error(err)
			}
			results = append(results, r...)
			for _, one := range r {
				report(t, one)
			}
			if err := c.heal(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	if len(results) == 0 {
		t.Errorf("no fault is named %q", s.only)
	}
	fmt.Printf("\nseed %d, %d of each fault\n\n", s.seed, s.rounds)
	table(os.Stdout, results)
}

// keepErrs is how many errors of each class are shown.
const keepErrs = 5

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
			t.Logf("%v, at %v through node %d: %v", s.class, s.at, s.node, s.err)
		}
	}
	for _, n := range r.notes {
		t.Log(n)
	}
}

// settings are what the environment says.
type settings struct {
	program                      string
	only                         []string
	seed                         uint64
	rounds, restarts, overwrites int
}

// shortForm is about how long a run with one round takes.
const shortForm = 4 * time.Minute

// lengthen repeats the faults until they fill d. A long run has the full counts.
func (s *settings) lengthen(d time.Duration) {
	s.rounds = max(1, int(d/shortForm))
	if s.rounds > 1 {
		s.restarts, s.overwrites = max(20, s.restarts*s.rounds), max(10_000, s.overwrites*s.rounds)
	}
}

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
	s := settings{rounds: 1, restarts: 2 * members, overwrites: 2000, seed: uint64(time.Now().UnixNano())}
	var err error
	if text := os.Getenv("ROOKERY_FAULTS_SEED"); text != "" {
		if s.seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	if text := os.Getenv("ROOKERY_FAULTS_DURATION"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		s.lengthen(d)
	}
	t.Logf("seed %d", s.seed)
	if s.program, err = filepath.Abs(program); err != nil {
		t.Fatal(err)
	}
	if only := os.Getenv("ROOKERY_FAULTS_ONLY"); only != "" {
		s.only = strings.Split(only, ",")
	}
	return s
}

func (s settings) asked(name string) bool { return len(s.only) == 0 || slices.Contains(s.only, name) }
