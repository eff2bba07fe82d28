package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

var errSize = errors.New("want bytes or a size such as 64MiB or 50GB")

// unitBytes knows both families: KiB is 1024 bytes and KB is 1000.
func unitBytes(unit string) (int64, bool) {
	switch unit {
	case "", "B":
		return 1, true
	case "KiB":
		return kib, true
	case "MiB":
		return mib, true
	case "GiB":
		return gib, true
	case "TiB":
		return gib << 10, true
	case "KB":
		return 1e3, true
	case "MB":
		return 1e6, true
	case "GB":
		return 1e9, true
	case "TB":
		return 1e12, true
	}
	return 0, false
}

// parseSize reads a whole number of bytes with or without a unit.
func parseSize(text string) (int64, error) {
	digits := strings.TrimRight(text, "BKMGTi")
	unit, ok := unitBytes(text[len(digits):])
	if !ok {
		return 0, errSize
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if errors.Is(err, strconv.ErrRange) || err == nil && int64(n) > math.MaxInt64/unit {
		return 0, errors.New("more bytes than can be counted")
	}
	if err != nil {
		return 0, errSize
	}
	return int64(n) * unit, nil
}

// formatSize writes a size in the unit that keeps it exact and shortest, with one
// where any fits.
func formatSize(n int64) string {
	digits := strconv.FormatInt(n, 10)
	shortest := digits
	for _, unit := range []string{"TiB", "GiB", "MiB", "KiB", "TB", "GB", "MB", "KB"} {
		size, _ := unitBytes(unit)
		if text := strconv.FormatInt(n/size, 10) + unit; n > 0 && n%size == 0 && (shortest == digits || len(text) < len(shortest)) {
			shortest = text
		}
	}
	return shortest
}

// formatDuration writes a duration without the zero parts that Duration.String
// ends with.
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
