package run_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	auditlog "rookery/audit"
	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/s3test"
)

// A node writes its audit log where it is told; what is in it is there before the node
// has ended.
func TestANodesAuditLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	c := newCluster(t, 1, func(cfg *config.Config, o *run.Options) {
		alone(cfg, o)
		cfg.AuditLog = config.AuditLog{Enabled: true, File: config.AuditFile{Path: path, MaxBytes: mib, Backups: 1}}
		cfg.Buckets[0].AuditReads = true
	})
	o := c.put("o", 1000, s3test.Meta{})
	c.read(0, o)
	c.operators(0, "/admin/cluster", nil)
	c.close(0)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		var e auditlog.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(e.Event, " ", e.Node, " ", e.Key, e.Path, " ", e.Status))
	}
	if want := "read rook-0 o 200, admin rook-0 /admin/cluster 200"; strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
}

// A node that could not keep the record that it is to keep does not start.
func TestWithoutItsAuditLogANodeDoesNotStart(t *testing.T) {
	for name, change := range map[string]func(*config.AuditLog){
		"no directory": func(a *config.AuditLog) {
			a.File = config.AuditFile{Path: filepath.Join(t.TempDir(), "absent", "a"), MaxBytes: mib}
		},
		"no stderr": func(a *config.AuditLog) { a.Stderr = true },
	} {
		c := unstarted(t, 1, nil)
		cfg := c.config(0)
		cfg.AuditLog.Enabled = true
		change(&cfg.AuditLog)
		cfg.Server.Port, cfg.Admin.Port, cfg.Cluster.Bind, cfg.Cluster.PeerBind = 0, 0, "127.0.0.1:0", "127.0.0.1:0"
		n, err := run.Start(t.Context(), cfg, run.Options{Log: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), "audit log") {
			t.Errorf("%s: %v", name, err)
		}
		if n != nil {
			_ = n.Close(t.Context())
		}
	}
}
