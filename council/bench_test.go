package council

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"rookery/purge"
	"rookery/store"
)

// onDisks gives a world's nodes real stores and real connections.
func (w *world) onDisks(dir string) {
	w.wire = tcpPair
	w.tune = func(o *Options) {
		s, err := store.Open(store.Options{Dir: filepath.Join(dir, o.Name), Capacity: 256 << 20})
		if err != nil {
			w.t.Fatal(err)
		}
		before := w.after
		w.after = func() { s.Close(); before() }
		d, err := s.Durable(w.t.Context(), "council")
		if err != nil {
			w.t.Fatal(err)
		}
		o.Disk, o.DiskID = d, d.DiskID()
	}
}

// tcpPair returns the two ends of a connection over loopback.
func tcpPair(_, _ string) (ours, theirs net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if ours, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	theirs, err = l.Accept()
	return ours, theirs, err
}

// fsyncTime is the median of what it takes to bring 4 KiB to the disk.
func fsyncTime(b *testing.B, dir string) time.Duration {
	f, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var all []time.Duration
	for range 200 {
		began := time.Now()
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		all = append(all, time.Since(began))
	}
	return quantile(all, 0.5)
}

func quantile(all []time.Duration, q float64) time.Duration {
	slices.Sort(all)
	return all[int(float64(len(all)-1)*q)]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// BenchmarkPurge purges one object after the other on three nodes over loopback,
// their logs in real stores, through a node that does not lead.
func BenchmarkPurge(b *testing.B) {
	w := newWorld(b)
	dir := b.TempDir()
	w.onDisks(dir)
	nodes := w.start(3)
	leader := w.settle(3)
	n := nodes[(slices.Index(nodes, leader)+1)%3]
	fsync := fsyncTime(b, dir)
	var commits, completes []time.Duration
	for b.Loop() {
		i := len(commits)
		began := time.Now()
		r, err := n.Purge(b.Context(), order(fmt.Sprint("commit ", i), "x"), 0)
		if err != nil || r.Number == 0 {
			b.Fatal(r, err)
		}
		commits = append(commits, time.Since(began))
		began = time.Now()
		r, err = n.Purge(b.Context(), order(fmt.Sprint("complete ", i), "x"), time.Minute)
		if err != nil || !r.Complete {
			b.Fatal(r, err)
		}
		completes = append(completes, time.Since(began))
	}
	b.ReportMetric(ms(fsync), "fsync-p50-ms")
	b.ReportMetric(ms(quantile(commits, 0.5)), "commit-p50-ms")
	b.ReportMetric(ms(quantile(completes, 0.5)), "complete-p50-ms")
	b.ReportMetric(ms(quantile(completes, 0.99)), "complete-p99-ms")
}

// BenchmarkPurgeMany purges objects in batches of 100, as events come, from all
// three nodes at once.
func BenchmarkPurgeMany(b *testing.B) {
	const batch = 100
	w := newWorld(b)
	w.onDisks(b.TempDir())
	nodes := w.start(3)
	w.settle(3)
	b.ResetTimer()
	began, rounds := time.Now(), 0
	for b.Loop() {
		done := make(chan error)
		for _, n := range nodes {
			go func() {
				var orders []purge.Order
				for i := range batch {
					orders = append(orders, order(fmt.Sprint(n.name, rounds, " ", i), fmt.Sprint("name ", i)))
				}
				reports, err := n.PurgeMany(b.Context(), orders, time.Minute)
				for _, r := range reports {
					if err == nil && !r.Complete {
						err = fmt.Errorf("not complete: %+v", r)
					}
				}
				done <- err
			}()
		}
		for range nodes {
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		}
		rounds++
	}
	b.ReportMetric(float64(rounds*batch*len(nodes))/time.Since(began).Seconds(), "purges/s")
}
