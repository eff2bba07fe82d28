package faults

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"rookery/internal/s3test"
)

const (
	members = 3 // that run all the time
	places  = 4 // with the one that joins and leaves
)

// names are those of the first count nodes.
func names(count int) []string {
	var all []string
	for i := range count {
		all = append(all, nodeName(i))
	}
	return all
}

func nodeName(index int) string { return fmt.Sprintf("rook-%d", index) }

// options are what a test decides of its cluster.
type options struct {
	program  string
	lease    string // cluster.lease
	loopback bool   // no namespaces: nothing can be cut off, and no root is needed
}

// cluster is everything that runs: the network, S3 in this process, the nodes.
type cluster struct {
	options
	network   *network
	s3        *s3test.Server
	gossipKey string
	dir       string // configurations, disks and logs
	machines  []*machine
	balancer  *balancer
}

// newCluster builds the network and starts three nodes. The caller closes it,
// after an error as well.
func newCluster(ctx context.Context, o options) (*cluster, error) {
	c := &cluster{options: o}
	key := make([]byte, 32)
	rand.Read(key)
	c.gossipKey = base64.StdEncoding.EncodeToString(key)
	var err error
	if c.dir, err = os.MkdirTemp("", fmt.Sprintf("%s%d-", prefix, os.Getpid())); err != nil {
		return c, err
	}
	if o.loopback {
		c.network = loopback()
	} else if c.network, err = newNetwork(ctx, places); err != nil {
		return c, err
	}
	if c.s3, err = s3test.Listen(c.network.host() + ":0"); err != nil {
		return c, err
	}
	for i := range places {
		m, err := newMachine(c, i)
		if err != nil {
			return c, err
		}
		c.machines = append(c.machines, m)
	}
	c.balancer = newBalancer(c.machines)
	for _, m := range c.machines[:members] {
		if err := m.start(); err != nil {
			return c, err
		}
	}
	return c, c.settled(ctx, members)
}

// close ends everything. It keeps configurations and logs if asked to, and no disk.
func (c *cluster) close(keep bool) error {
	if c.balancer != nil {
		c.balancer.close()
	}
	for _, m := range c.machines {
		m.kill()
	}
	if c.s3 != nil {
		c.s3.Close()
	}
	var errs []error
	if c.network != nil {
		errs = append(errs, c.network.remove())
	}
	if keep {
		errs = append(errs, removeDisks(c.dir))
	} else {
		errs = append(errs, os.RemoveAll(c.dir))
	}
	return errors.Join(errs...)
}

// removeDisks removes what the nodes of a directory have cached.
func removeDisks(dir string) error {
	var errs []error
	for _, name := range names(places) {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, name)))
	}
	return errors.Join(errs...)
}

// settled waits until the nodes that run are so many, each is ready and sees all
// of them ready.
func (c *cluster) settled(ctx context.Context, count int) error {
	return await(ctx, fmt.Sprintf("%d nodes ready, each seeing all", count), func() bool {
		running := 0
		for _, m := range c.machines {
			if !m.running() {
				continue
			}
			running++
			if !m.ready(ctx) || m.sees(ctx) != count || !c.balancer.has(m) {
				return false
			}
		}
		return running == count
	})
}

// heal undoes every fault: no packet lost, three nodes running, the fourth gone.
func (c *cluster) heal(ctx context.Context) error {
	if err := join(ctx, c, nil); err != nil {
		return err
	}
	for i, m := range c.machines {
		switch {
		case i >= members:
			m.kill()
		case m.running():
			_ = m.signal(syscall.SIGCONT) // if it has ended meanwhile, settled tells
		default:
			if err := m.start(); err != nil {
				return err
			}
		}
	}
	return c.settled(ctx, members)
}

// patience is how long the harness waits for something that ought to come.
const patience = time.Minute

// await waits for something that other processes bring about.
func await(ctx context.Context, what string, is func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		}
	}
	return nil
}

// wait lets time pass: the length of a fault is part of it.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
