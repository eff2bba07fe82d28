package config

import "time"

// This file maps the keys of a Yatagarasu v1.0 file. Where the old key has a
// meaning here it gets it, in its old unit. What asks for protection or for a
// behaviour that this version does not have stops the start; what merely tuned
// the old program is accepted with a warning.

// readOld reads what the old program had at the top of the file.
func readOld(root *section, c *Config) {
	logging := root.section("logging")
	logging.notBeside("level", root.section("log"), "level")
	readLevel(logging, &c.Log)
	root.refuseUnlessOff("image_optimization", notYet)
	root.instead("metrics", "admin.address and admin.port: /metrics is on the admin listener")
	root.instead("claims_verification", "jwt.claims")
	root.instead("auth", "jwt, and auth.enabled in each bucket")
	readOldObservability(root.section("observability"), root.section("log"), &c.Log)
}

func readOldServer(s *section) {
	s.instead("https", "server.tls")
	s.unused("threads", "all processors that the process may use are used")
	s.onlyAt("request_timeout", "30")

	limits := s.section("security_limits")
	limits.onlyAt("max_body_size", "10MB", "10485760")
	limits.onlyAt("max_header_size", "64KB", "65536")
	limits.onlyAt("max_uri_length", "8192")

	coalescing := s.section("coalescing")
	coalescing.refuseUnlessTrue("enabled", "requests for the same bytes always share one fetch")
	if strategy, ok := coalescing.choice("strategy", "streaming", "wait_for_complete"); ok && strategy != "streaming" {
		coalescing.unused("strategy", "readers always stream what has arrived")
	}
}

func readOldCache(s *section) {
	s.refuseUnlessTrue("enabled", "there is no Rookery without its cache")
	s.unused("cache_layers", "memory and disk are always used")
	s.unused("redis", "the cluster takes its place")
	s.unused("warming", notYet)
}

func readOldMemory(s, freshness *section, c *Cache) {
	s.megabytes("max_cache_size_mb", &c.MemoryBytes, minMemoryBytes)
	s.unused("max_item_size_mb", "objects of every size are cached, in chunks")
	s.notBeside("default_ttl_seconds", freshness, "default")
	s.ttl("default_ttl_seconds", &c.Freshness.Default)
}

func readOldDisk(s, node *section, c *Config) {
	on := true
	if s.boolean("enabled", &on) && !on {
		s.doc.warn(s.where("enabled"), "%s: has no effect: what is cached is always kept on disk too", s.key("enabled"))
	}
	s.megabytes("max_disk_cache_size_mb", &c.Cache.DiskBytes, minDiskBytes)
	s.notBeside("cache_dir", node, "data_dir")
	s.text("cache_dir", &c.Node.DataDir)
	s.unused("sendfile", "the node decides how bytes leave")
}

func readOldBucket(s *section) {
	s.refuseUnlessOff("watermark", notYet)
	s.refuseUnlessOff("image_optimization", notYet)
}

func readOldBucketCache(s *section, b *Bucket) {
	s.refuseUnlessTrue("enabled", "every bucket is cached")
	s.notBeside("ttl_seconds", s.section("freshness"), "default")
	s.ttl("ttl_seconds", &b.Freshness.Default)
	s.unused("max_item_size_mb", "objects of every size are cached, in chunks")
}

// ttl reads whole seconds into a freshness.
func (s *section) ttl(key string, to *time.Duration) {
	var n int
	if s.integer(key, &n, 0, int(longest/time.Second)) {
		*to = time.Duration(n) * time.Second
	}
}

// notBeside refuses an old key where the new one is given too.
func (s *section) notBeside(key string, other *section, newer string) {
	if s.has(key) && other.has(newer) {
		s.doc.fail(s.keyAt(key), "%s: %s says the same (line %d): give one of them",
			s.key(key), other.key(newer), other.keyAt(newer).line)
	}
}
