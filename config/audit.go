package config

import (
	"slices"

	"github.com/goccy/go-yaml"
)

// AuditLog is where the record of refused reads and of operators' calls goes.
type AuditLog struct {
	Enabled bool
	Stderr  bool
	File    AuditFile // with no path: none
}

// AuditFile is a file that is rotated.
type AuditFile struct {
	Path     string
	MaxBytes int64
	Backups  int
	Daily    bool
}

// readAuditLog reads the section. It must say whether it is on: the old program's
// default was off, and who writes an audit section without that word may think otherwise.
func readAuditLog(s *section, a *AuditLog) {
	a.File = AuditFile{MaxBytes: 50 * mib, Backups: 5}
	s.boolean("enabled", &a.Enabled)
	if s.given && !s.opaque && !s.has("enabled") {
		s.doc.fail(s.at, "%s: say enabled: true or enabled: false", s.name())
	}
	off := s.has("enabled") && !a.Enabled
	s.opaque = s.opaque || off
	readOutputs(s, a)
	f := s.section("file")
	f.text("path", &a.File.Path)
	f.megabytes("max_file_size_mb", &a.File.MaxBytes, mib)
	f.integer("max_backup_files", &a.File.Backups, 1, 10_000)
	if policy, ok := f.choice("rotation_policy", "size", "daily"); ok {
		a.File.Daily = policy == "daily"
	}
	if a.Enabled && a.File.Path == "" {
		a.File = AuditFile{}
	}
	if !a.Enabled {
		*a = AuditLog{}
	}
}

func readOutputs(s *section, a *AuditLog) {
	outputs, at := s.oneOrMore("outputs")
	if !s.has("outputs") {
		outputs, at = []string{"file"}, []position{s.at}
	}
	file := slices.Contains(outputs, "file")
	for i, output := range outputs {
		switch output {
		case "file":
		case "stderr":
			a.Stderr = true
		case "syslog":
			s.doc.fail(at[i], "%s: syslog: not available in this version: use stderr, which the system's log takes", s.key("outputs"))
		case "s3":
			s.doc.fail(at[i], "%s: s3: not available in this version: use file, and copy the files that have been rotated", s.key("outputs"))
		default:
			s.doc.fail(at[i], "%s: want file or stderr, got %q", s.key("outputs"), output)
		}
	}
	switch {
	case !a.Enabled:
	case s.has("outputs") && len(outputs) == 0:
		s.fail("outputs", "want file, stderr or both")
	case file && !s.section("file").has("path"):
		s.doc.fail(s.at, "%s: is missing", s.key("file.path"))
	case !file && s.has("file"):
		s.doc.fail(s.keyAt("file"), "%s: file is not among %s", s.key("file"), s.key("outputs"))
	}
}

// readAudit reads which of a bucket's reads are recorded.
func readAudit(s *section, b *Bucket) {
	if word, ok := s.choice("audit", "denied", "reads"); ok {
		b.AuditReads = word == "reads"
	}
}

// failWithoutAuditLog refuses buckets that ask for a record that is not kept.
func failWithoutAuditLog(sections []*section, c *Config) {
	for i, b := range c.Buckets {
		if b.AuditReads && !c.AuditLog.Enabled {
			sections[i].fail("audit", "no audit log is kept: say audit_log.enabled: true and where")
		}
	}
}

func (a *AuditLog) effective() yaml.MapSlice {
	if !a.Enabled {
		return yaml.MapSlice{{Key: "enabled", Value: false}}
	}
	section := yaml.MapSlice{{Key: "enabled", Value: true}}
	var outputs []string
	if a.File.Path != "" {
		outputs = append(outputs, "file")
	}
	if a.Stderr {
		outputs = append(outputs, "stderr")
	}
	section = append(section, yaml.MapItem{Key: "outputs", Value: outputs})
	if a.File.Path == "" {
		return section
	}
	policy := "size"
	if a.File.Daily {
		policy = "daily"
	}
	return append(section, yaml.MapItem{Key: "file", Value: yaml.MapSlice{
		{Key: "path", Value: escape(a.File.Path)},
		{Key: "max_file_size_mb", Value: a.File.MaxBytes / mib},
		{Key: "max_backup_files", Value: a.File.Backups},
		{Key: "rotation_policy", Value: policy},
	}})
}
