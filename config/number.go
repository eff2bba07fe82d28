package config

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// integer reads a whole number between lowest and highest.
func (s *section) integer(key string, to *int, lowest, highest int) bool {
	v, ok := s.scalar(key, "a whole number")
	if !ok {
		return false
	}
	text, isNumber := v.number()
	n, err := strconv.Atoi(text)
	if !isNumber || err != nil {
		s.fail(key, "want a whole number, got %q", v.source)
		return false
	}
	if n < lowest || n > highest {
		s.fail(key, "%s is out of range: want %d to %d", v.source, lowest, highest)
		return false
	}
	*to = n
	return true
}

// whole reads a duration that is written as a whole number of units.
func (s *section) whole(key string, to *time.Duration, unit time.Duration, lowest, highest int) {
	var n int
	if s.integer(key, &n, lowest, highest) {
		*to = time.Duration(n) * unit
	}
}

// share reads a number above 0 and below 1.
func (s *section) share(key string, to *float64) {
	v, ok := s.scalar(key, "a number")
	if !ok {
		return
	}
	text, isNumber := v.number()
	n, err := strconv.ParseFloat(text, 64)
	if !isNumber || err != nil || !(n > 0 && n < 1) {
		s.fail(key, "want a number above 0 and below 1, got %q", v.source)
		return
	}
	*to = n
}

// price reads a number that is not negative.
func (s *section) price(key string, to *float64) {
	v, ok := s.scalar(key, "a number")
	if !ok {
		return
	}
	text, isNumber := v.number()
	n, err := strconv.ParseFloat(text, 64)
	if !isNumber || err != nil || n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
		s.fail(key, "want a number that is not negative, got %q", v.source)
		return
	}
	*to = n
}

// size reads bytes, 64MiB, 50GB.
func (s *section) size(key string, to *int64, lowest int64) {
	v, ok := s.scalar(key, "a size such as 64MiB")
	if !ok {
		return
	}
	n, err := parseSize(strings.TrimSpace(v.text))
	if err != nil {
		s.fail(key, "%q: %s", v.source, err)
		return
	}
	if n < lowest {
		s.fail(key, "%s is too small: want at least %s", v.source, formatSize(lowest))
		return
	}
	*to = n
}

// duration reads 30s, 5m, 24h.
func (s *section) duration(key string, to *time.Duration, lowest, highest time.Duration) {
	v, ok := s.scalar(key, "a duration such as 30s")
	if !ok {
		return
	}
	d, err := time.ParseDuration(strings.TrimSpace(v.text))
	if err != nil {
		s.fail(key, "want a duration with its unit, such as 30s, 5m or 24h, got %q", v.source)
		return
	}
	if d < lowest || d > highest {
		s.fail(key, "%s is out of range: want %s to %s", v.source, formatDuration(lowest), formatDuration(highest))
		return
	}
	*to = d
}
