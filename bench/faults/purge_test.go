package faults

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

const (
	purgeLease    = "2s" // shorter than in production: more of it is seen
	purgeClients  = 24
	purgeShort    = time.Minute
	purgeLong     = 3 * time.Minute // from here on a run has to do purgeEnough
	purgeEnough   = 100_000
	keepBroken    = 10
	purgePatience = 30 * time.Second
)

// TestPurge holds real processes to what a purge promises: objects are
// overwritten, purged and read through all nodes, while these are killed, stopped
// for longer than a lease, restarted and, as root, cut off from each other. Its
// variables: ROOKERY_PURGE is the program, ROOKERY_PURGE_DURATION how long it may
// take, ROOKERY_PURGE_SEED a run's order of operations.
func TestPurge(t *testing.T) {
	program := os.Getenv("ROOKERY_PURGE")
	if program == "" {
		t.Skip("ROOKERY_PURGE names no program: make test-purge does")
	}
	lasts, seed := purgeShort, purgeSeed(t)
	if text := os.Getenv("ROOKERY_PURGE_DURATION"); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d", seed)
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	program, err := filepath.Abs(program)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newCluster(ctx, options{program: program, lease: purgeLease, loopback: !canSplit(t)})
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
	p := newPurging(c, seed)
	if err := p.run(ctx, lasts); err != nil {
		t.Error(err)
	}
	p.report(t, lasts)
}

func purgeSeed(t *testing.T) uint64 {
	if text := os.Getenv("ROOKERY_PURGE_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return seed
	}
	var b [8]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

// canSplit reports whether there can be a network between the nodes that can be
// cut. Else they are on loopback.
func canSplit(t *testing.T) bool {
	why := ""
	if os.Geteuid() != 0 {
		why = "this is not root"
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			why = tool + " is missing"
		}
	}
	probe := fmt.Sprintf("%s%d-probe", prefix, os.Getpid())
	if why == "" {
		if err := command(context.Background(), "ip", "netns", "add", probe); err != nil {
			why = err.Error()
		} else if err := command(context.Background(), "ip", "netns", "del", probe); err != nil {
			t.Fatal(err)
		}
	}
	if why != "" {
		t.Logf("nodes are on loopback and not cut off from each other: %s", why)
	}
	return why == ""
}

// report judges the history and prints what there was.
func (p *purging) report(t *testing.T, lasts time.Duration) {
	v, err := p.record.Check()
	if err != nil {
		t.Fatal(err)
	}
	for i, violation := range v.Violations {
		if i < keepBroken {
			t.Error(violation)
		}
	}
	fmt.Printf("\nseed %d\n\n", p.seed)
	fmt.Println("| operations | overwrites | purges | complete | answers | with something older to serve | hits | refused | violations | complete p50 | p99 | undisturbed p50 | p99 |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	fmt.Printf("| %d | %d | %d | %d | %d | %d | %d | %d | %d | %v | %v | %v | %v |\n\n",
		v.Operations(), v.Overwrites, v.Purges, v.Complete, v.Gets, v.Newer, p.hits, p.refused, len(v.Violations),
		median(p.took), p99(p.took), median(p.tookCalm), p99(p.tookCalm))
	fmt.Printf("troubles: %v\n", p.troubles)
	switch {
	case lasts >= purgeLong && v.Gets+v.Purges < purgeEnough:
		t.Errorf("%d reads and purges, wanted are %d", v.Gets+v.Purges, purgeEnough)
	case 5*p.hits < v.Gets:
		t.Errorf("%d hits in %d answers: too few to mean anything", p.hits, v.Gets)
	case 2*v.Complete < v.Purges:
		t.Errorf("only %d of %d purges were complete", v.Complete, v.Purges)
	}
}

func median(of []time.Duration) time.Duration { return quantile(of, 0.5).Round(100 * time.Microsecond) }

func p99(of []time.Duration) time.Duration { return quantile(of, 0.99).Round(100 * time.Microsecond) }
