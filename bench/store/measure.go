package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// contender stores values and evicts the oldest.
type contender interface {
	put(n int64, value []byte) error
	// written returns the bytes given to the file system so far.
	written() int64
	// close makes everything that is still in memory leave for the disk.
	close() error
}

// result is what one round took.
type result struct{ mbPerSec, cpuPerGiB, writeAmp, deviceAmp, peak float64 }

// median returns the median of each figure on its own.
func median(rs []result) result {
	of := func(get func(result) float64) float64 {
		all := make([]float64, 0, len(rs))
		for _, r := range rs {
			all = append(all, get(r))
		}
		slices.Sort(all)
		return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
	}
	return result{
		of(func(r result) float64 { return r.mbPerSec }), of(func(r result) float64 { return r.cpuPerGiB }),
		of(func(r result) float64 { return r.writeAmp }), of(func(r result) float64 { return r.deviceAmp }),
		of(func(r result) float64 { return r.peak }),
	}
}

// measure runs one round in a directory of its own.
func measure(c config, open func(config, string) (contender, error)) (r result, err error) {
	dir, err := os.MkdirTemp(c.dir, "rookery-bench-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	with, err := open(c, dir)
	if err != nil {
		return r, err
	}
	syscall.Sync()
	start, cpu, device := time.Now(), cpuSeconds(), deviceBytes()
	peak, err := writeAll(c, with, dir)
	if err != nil {
		return r, errors.Join(err, with.close())
	}
	written := with.written
	if err := with.close(); err != nil {
		return r, err
	}
	syscall.Sync()
	took := time.Since(start).Seconds()
	total := float64(c.total)
	return result{
		mbPerSec:  total / 1e6 / took,
		cpuPerGiB: (cpuSeconds() - cpu) / (total / (1 << 30)),
		writeAmp:  float64(written()) / total,
		deviceAmp: float64(deviceBytes()-device) / total,
		peak:      float64(peak),
	}, nil
}

// writeAll stores the values and returns the largest size of the files, looked
// at 200 times.
func writeAll(c config, with contender, dir string) (peak int64, err error) {
	value := make([]byte, c.value)
	rng := rand.NewChaCha8([32]byte{1})
	if _, err := rng.Read(value); err != nil {
		return 0, err
	}
	values := c.total / c.value
	every := max(values/200, 1)
	for n := range values {
		binary.LittleEndian.PutUint64(value, uint64(n)) // no two values alike
		if err := with.put(n, value); err != nil {
			return 0, fmt.Errorf("value %d: %w", n, err)
		}
		if n%every == 0 {
			size, err := allocated(dir)
			if err != nil {
				return 0, err
			}
			peak = max(peak, size)
		}
	}
	return peak, nil
}

// allocated returns the bytes that the disk has set aside for all files under
// dir, preallocated ones included.
func allocated(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && d.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			sum += st.Blocks * 512
		}
		return nil
	})
	return sum, err
}

// cpuSeconds returns what this process has used, user and system.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// deviceBytes returns the bytes that the kernel has charged this process for
// writing, or 0 where it does not say.
func deviceBytes() int64 {
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		var n int64
		if _, err := fmt.Sscanf(line, "write_bytes: %d", &n); err == nil {
			return n
		}
	}
	return 0
}
