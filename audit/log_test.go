package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// disk is an output that can fail and can stand still.
type disk struct {
	mu     sync.Mutex
	kept   bytes.Buffer
	fail   error
	gate   chan struct{} // if not nil, each write waits for it
	closed bool
}

func (d *disk) Write(p []byte) (int, error) {
	d.mu.Lock()
	gate := d.gate
	d.mu.Unlock()
	if gate != nil {
		<-gate
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return 0, d.fail
	}
	return d.kept.Write(p)
}

func (d *disk) Close() error { d.closed = true; return nil }

func (d *disk) set(fail error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = fail
}

// keys returns the keys of the entries that are kept, in order.
func (d *disk) keys(t *testing.T) (all []string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for line := range strings.Lines(d.kept.String()) {
		var e Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		all = append(all, e.Key)
	}
	return all
}

func TestEntries(t *testing.T) {
	d := new(disk)
	now := time.Date(2026, 3, 4, 5, 6, 7, 8000000, time.FixedZone("", 3600))
	l := New(Options{Node: "rook-0", To: d, Now: func() time.Time { return now }})
	for _, e := range []Entry{
		{Event: Denied, RequestID: "r", Remote: "192.0.2.1:5", Method: "GET", Bucket: "b", Action: "read", Key: "a<b>&\"\n", Reason: "expired", Status: 403},
		{Event: Admin, Remote: "[::1]:1", Method: "POST", Path: "/admin/drain", Token: "0a1b2c3d", Status: 202},
	} {
		if err := l.Record(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil || !d.closed {
		t.Error(err, d.closed)
	}
	want := `{"time":"2026-03-04T04:06:07.008Z","event":"denied","node":"rook-0","request_id":"r","remote":"192.0.2.1:5","method":"GET","bucket":"b","action":"read","key":"a<b>&\"\n","reason":"expired","status":403}
{"time":"2026-03-04T04:06:07.008Z","event":"admin","node":"rook-0","remote":"[::1]:1","method":"POST","path":"/admin/drain","token":"0a1b2c3d","status":202}
`
	if got := d.kept.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if err := l.Record(Entry{}); !errors.Is(err, ErrLost) {
		t.Errorf("after Close: %v", err)
	}
	var none *Log
	if none.Record(Entry{}) != nil || none.Close() != nil {
		t.Error("no log at all fails")
	}
}

// A text of a client's cannot make an entry long, nor one line two.
func TestEntriesAreBounded(t *testing.T) {
	long := strings.Repeat("ü\n", maxFieldBytes)
	e := Entry{Key: long, Path: long, Remote: long, Subject: long}
	line := e.line()
	if len(line) > 4*2*maxFieldBytes+1000 || bytes.Count(line, []byte("\n")) != 1 || !json.Valid(line) {
		t.Errorf("%d bytes: %.100s", len(line), line)
	}
	if e.Key != long {
		t.Error("the caller's entry was changed")
	}
}

// A disk that stands still holds a request up for Wait and no longer, however many
// come; what found room is written when it goes on, in order, and the rest is counted.
func TestASlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, set := &disk{gate: make(chan struct{})}, metrics.NewSet()
		l := New(Options{To: d, Metrics: set})
		lost, recorded := 0, 0
		for ; lost < 3; recorded++ {
			before := time.Now()
			err := l.Record(Entry{Event: Read, Key: fmt.Sprint(recorded), Subject: strings.Repeat("s", 2000)})
			took := time.Since(before)
			switch {
			case err == nil && took != 0:
				t.Fatalf("entry %d waited for %v", recorded, took)
			case err != nil && took != Wait:
				t.Fatalf("entry %d was lost after %v", recorded, took)
			case err != nil:
				lost++
			}
			if recorded > 10_000 {
				t.Fatal("there is no bound")
			}
			synctest.Wait()
		}
		if n := set.GetOrCreateCounter("rookery_audit_lost_total").Get(); n != 3 {
			t.Errorf("%d counted as lost, want 3", n)
		}
		go func() { // the disk goes on while one waits
			time.Sleep(Wait / 2)
			close(d.gate)
		}()
		if err := l.Record(Entry{Key: "waited"}); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		keys := d.keys(t)
		if len(keys) != recorded-3+1 || keys[len(keys)-1] != "waited" {
			t.Errorf("%d entries written, want %d; the last is %s", len(keys), recorded-2, keys[len(keys)-1])
		}
	})
}

// What cannot be written for a while is written later; nobody waits meanwhile.
func TestADiskThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, set := &disk{fail: errors.New("no space left")}, metrics.NewSet()
		l := New(Options{To: d, Metrics: set})
		for i := range 10 {
			if err := l.Record(Entry{Key: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		time.Sleep(5*retryAfter + retryAfter/2)
		if n := set.GetOrCreateCounter("rookery_audit_errors_total").Get(); n != 6 {
			t.Errorf("%d failures counted, want 6", n)
		}
		full := 0
		for full == 0 {
			before := time.Now()
			if err := l.Record(Entry{Key: "more", Subject: strings.Repeat("s", 2000)}); err != nil {
				full++
			}
			if time.Since(before) != 0 {
				t.Fatal("a request waits for a disk that fails")
			}
		}
		d.set(nil)
		time.Sleep(2 * retryAfter)
		if keys := d.keys(t); len(keys) < 11 || strings.Join(keys[:11], " ") != "0 1 2 3 4 5 6 7 8 9 more" {
			t.Errorf("written: %d entries", len(keys))
		}
		d.set(errors.New("gone"))
		if err := l.Record(Entry{Key: "last"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if n := set.GetOrCreateCounter("rookery_audit_lost_total").Get(); n != 2 {
			t.Errorf("%d counted as lost, want 2: one without room, one at the end", n)
		}
	})
}

func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	now := time.Date(2026, 3, 4, 23, 0, 0, 0, time.UTC)
	f, err := OpenFile(FileOptions{Path: path, MaxBytes: 100, Backups: 2, Daily: true, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write := func(line string) {
		t.Helper()
		if _, err := io.WriteString(f, line); err != nil {
			t.Fatal(err)
		}
	}
	files := func(want ...string) {
		t.Helper()
		all, _ := filepath.Glob(path + "*")
		var got []string
		for _, name := range all {
			text, _ := os.ReadFile(name)
			if is, _ := os.Stat(name); is.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v", name, is.Mode())
			}
			got = append(got, string(text[0]))
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("files begin with %q, want %q: %q", got, want, all)
		}
	}
	line := func(s string) string { return strings.Repeat(s, 59) + "\n" }
	write(line("a"))
	files("a")
	write(line("b")) // 120 bytes are too many
	files("b", "a")
	write("c\n")
	files("b", "a")
	now = now.Add(2 * time.Hour) // another day
	write(line("d"))
	files("d", "a", "b")
	write(line("e")) // the oldest goes
	files("e", "b", "d")
	if err := os.Rename(path, path+".moved"); err != nil { // as logrotate does
		t.Fatal(err)
	}
	write(line("f"))
	if text, _ := os.ReadFile(path); string(text) != line("f") {
		t.Errorf("%q", text)
	}
	if err := os.Remove(path + ".moved"); err != nil {
		t.Fatal(err)
	}
	write(strings.Repeat("g", 500) + "\n") // one entry that is larger than a file
	files("g", "d", "f")
}

func TestAFileThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "absent", "audit.log"), dir, "/dev/null"} {
		if f, err := OpenFile(FileOptions{Path: path, MaxBytes: 1}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v %v", path, f, err)
		}
	}
}

// An old file goes on, and keeps its day.
func TestAnOldFileGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(path, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, days := range []int{0, 1} {
		now := time.Now().AddDate(0, 0, days)
		f, err := OpenFile(FileOptions{Path: path, MaxBytes: 1000, Backups: 5, Daily: true, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, "new\n"); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if all, _ := filepath.Glob(path + "*"); len(all) != i+1 {
			t.Errorf("%d days later: %q", days, all)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	l := New(Options{Node: "rook-0", To: &devNull{}})
	defer l.Close()
	e := Entry{Event: Read, RequestID: "0123456789ABCDEF", Remote: "192.0.2.1:5000", Method: "GET", Bucket: "b", Action: "read", Key: "a/b/c.png", Status: 200, Bytes: 4096}
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Record(e); err != nil {
			b.Fatal(err)
		}
	}
}

type devNull struct{}

func (*devNull) Write(p []byte) (int, error) { return len(p), nil }
func (*devNull) Close() error                { return nil }
