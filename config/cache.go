package config

import (
	"time"

	"rookery/object"
)

// The least that a node can work with: below it flights and index caches, and
// on disk the segments that are being written and reclaimed, find no room.
const (
	minMemoryBytes = 64 * mib
	minDiskBytes   = 512 * mib
)

func readCache(s, node *section, c *Config) {
	readFreshness(s.section("freshness"), &c.Cache.Freshness)
	if s.isSection("memory") {
		readOldMemory(s.section("memory"), s.section("freshness"), &c.Cache)
	} else {
		s.size("memory", &c.Cache.MemoryBytes, minMemoryBytes)
	}
	if s.isSection("disk") {
		readOldDisk(s.section("disk"), node, c)
	} else {
		s.size("disk", &c.Cache.DiskBytes, minDiskBytes)
	}
	s.size("finish_abandoned", &c.Cache.FinishAbandonedBytes, 0)
	readOldCache(s)
}

const longest = 365 * 24 * time.Hour

func readFreshness(s *section, f *Freshness) {
	s.duration("default", &f.Default, 0, longest)
	s.duration("stale_while_revalidate", &f.StaleWhileRevalidate, 0, longest)
	s.duration("stale_if_error", &f.StaleIfError, 0, longest)
	if s.has("negative") {
		s.duration("negative", &f.NotFound, 0, longest)
		f.Forbidden = f.NotFound
	} else {
		s.known = append(s.known, "negative")
	}
	s.duration("negative_404", &f.NotFound, 0, longest)
	s.duration("negative_403", &f.Forbidden, 0, longest)
	s.boolean("ignore_origin", &f.IgnoreOrigin)
	readWindows(s.section("override"), &f.Override)
	readWindows(s.section("max"), &f.Max)
}

// readWindows leaves open what the file does not give.
func readWindows(s *section, w *object.Windows) {
	s.window("fresh", &w.Fresh)
	s.window("stale_while_revalidate", &w.StaleWhileRevalidate)
	s.window("stale_if_error", &w.StaleIfError)
}

func (s *section) window(key string, to **time.Duration) {
	own := new(time.Duration)
	s.duration(key, own, 0, longest)
	if s.has(key) {
		*to = own
	}
}
