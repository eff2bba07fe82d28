package config

import "time"

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
	s.duration("negative", &f.Negative, 0, longest)
}
