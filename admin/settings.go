package admin

// Settings are what a reload may replace, at once and entirely. Immutable.
type Settings struct {
	guard   guard
	buckets map[string]bool
	origins map[string][]string
}

// NewSettings makes Settings of Options.Token, Buckets and Origins.
func NewSettings(token string, buckets []string, origins map[string][]string) *Settings {
	s := &Settings{guard: newGuard(token), buckets: make(map[string]bool, len(buckets)), origins: origins}
	for _, b := range buckets {
		s.buckets[b] = true
	}
	return s
}
