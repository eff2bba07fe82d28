package config

import (
	"math"
	"testing"
	"time"
)

func TestSizes(t *testing.T) {
	for _, c := range []struct {
		text  string
		want  int64
		shown string
	}{
		{"0", 0, "0"},
		{"1", 1, "1"},
		{"7B", 7, "7"},
		{"1KiB", 1 << 10, "1KiB"},
		{"64MiB", 64 << 20, "64MiB"},
		{"1024MiB", 1 << 30, "1GiB"},
		{"3TiB", 3 << 40, "3TiB"},
		{"1KB", 1000, "1KB"},
		{"50GB", 50e9, "50GB"},
		{"2MB", 2e6, "2MB"},
		{"2TB", 2e12, "2TB"},
		{"9223372036854775807", math.MaxInt64, "9223372036854775807"},
	} {
		got, err := parseSize(c.text)
		if err != nil || got != c.want {
			t.Errorf("%s: %d, %v; want %d", c.text, got, err, c.want)
		}
		if shown := formatSize(got); shown != c.shown {
			t.Errorf("%s is shown as %s, want %s", c.text, shown, c.shown)
		}
	}
	for _, text := range []string{
		"", "MiB", "-1", "+1", "1.5GiB", "1 GiB", "1gib", "1M", "1iB", "1MiBi", "1MiBMiB", "0x10", "1_000", "1e3",
		"9223372036854775808", "8388608TiB", "18446744073709551616",
	} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", time.Minute: "1m", time.Hour: "1h", 24 * time.Hour: "24h", 90 * time.Second: "1m30s",
		time.Hour + time.Second: "1h0m1s", 10 * time.Minute: "10m", 1500 * time.Millisecond: "1.5s", 20 * time.Hour: "20h",
	} {
		got := formatDuration(d)
		if back, err := time.ParseDuration(got); got != want || back != d || err != nil {
			t.Errorf("%v is shown as %s, want %s", d, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"port", "address", "data_dir", "tls", "path_prefix"}
	for key, want := range map[string]string{
		"prt": "port", "Port": "port", "adress": "address", "dataDir": "data_dir", "data-dir": "data_dir", "pathprefix": "path_prefix",
		"x": "", "xyz": "", "tlss": "tls", "ports": "port", "": "",
	} {
		if got := nearest(key, known); got != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
	}
}
