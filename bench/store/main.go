// Command store puts the segment store beside Pebble with inline values, in one
// run on one disk: it writes many times a small capacity and prints how fast,
// at what CPU, with how many bytes written per byte stored, and how large the
// files became. It exits 1 if the store misses its bar.
//
// Both are asked for the same: values of -value bytes under hashed keys, the
// oldest evicted when -cap is full, no compression, no fsync of values. Pebble
// has its write-ahead log off, which favours it: the store's index keeps its
// own on. Before each round what is dirty is synced, and each round ends with
// a sync of its files, so one does not pay for the other.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
)

// The bar of the issue, at 1 MiB values.
const (
	minCPUAdvantage = 8.0
	maxWriteAmp     = 1.05
)

type config struct {
	dir    string
	total  int64
	cap    int64
	value  int64
	rounds int
}

func main() {
	var c config
	flag.StringVar(&c.dir, "dir", os.TempDir(), "where to put the files, which are removed again")
	total := flag.Int64("total-mib", 4096, "MiB written in each round")
	capacity := flag.Int64("cap-mib", 1024, "capacity in MiB")
	value := flag.Int64("value-kib", 1024, "size of a value in KiB, at most 1024")
	flag.IntVar(&c.rounds, "rounds", 3, "rounds of each, alternating")
	flag.Parse()
	c.total, c.cap, c.value = *total<<20, *capacity<<20, *value<<10
	ok, err := run(c)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

// run measures both in turn, prints the medians, and reports whether the store
// meets its bar.
func run(c config) (bool, error) {
	contenders := []struct {
		name string
		open func(config, string) (contender, error)
	}{{"segment store", openSegments}, {"Pebble inline", openPebble}}
	results := make([][]result, len(contenders))
	fmt.Printf("%d MiB of %d KiB values into %d MiB, %d rounds, in %s\n\n",
		c.total>>20, c.value>>10, c.cap>>20, c.rounds, c.dir)
	for range c.rounds {
		for i, with := range contenders {
			r, err := measure(c, with.open)
			if err != nil {
				return false, fmt.Errorf("%s: %w", with.name, err)
			}
			results[i] = append(results[i], r)
		}
	}
	fmt.Printf("%-15s %8s %12s %10s %10s %12s\n", "(medians)", "MB/s", "CPU s/GiB", "write amp", "device amp", "peak MB")
	for i, with := range contenders {
		m := median(results[i])
		fmt.Printf("%-15s %8.0f %12.3f %10.3f %10.3f %12.0f\n", with.name, m.mbPerSec, m.cpuPerGiB, m.writeAmp, m.deviceAmp, m.peak/1e6)
	}
	fmt.Println("\nwrite amp: bytes given to write(2) for files, by the contender's own count, per byte stored")
	fmt.Println("device amp: bytes the kernel charged this process for (/proc/self/io write_bytes), per byte stored")
	return judge(c, median(results[0]), median(results[1]), results[0]), nil
}

// judge compares the medians with the bar.
func judge(c config, ours, pebble result, rounds []result) bool {
	peak := slices.MaxFunc(rounds, func(a, b result) int { return int(a.peak - b.peak) }).peak
	advantage := pebble.cpuPerGiB / ours.cpuPerGiB
	ok := true
	for _, bar := range []struct {
		what string
		met  bool
	}{
		{fmt.Sprintf("CPU per byte: %.1f times less than Pebble inline (bar: %.0f)", advantage, minCPUAdvantage), advantage >= minCPUAdvantage},
		{fmt.Sprintf("write amplification %.3f (bar: %.2f)", ours.writeAmp, maxWriteAmp), ours.writeAmp <= maxWriteAmp},
		{fmt.Sprintf("peak %.0f MB of %.0f", peak/1e6, float64(c.cap)/1e6), peak <= float64(c.cap)},
	} {
		mark := "ok    "
		if !bar.met {
			mark, ok = "MISSED", false
		}
		fmt.Println(mark, bar.what)
	}
	return ok
}
