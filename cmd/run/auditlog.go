package run

import (
	"context"
	"errors"
	"io"

	"rookery/audit"
)

// openAudit opens the audit log, which must be there before anybody can be refused.
func (n *Node) openAudit(context.Context) error {
	audit.Register(n.metrics)
	if !n.cfg.AuditLog.Enabled {
		return nil
	}
	to, err := n.auditOutput()
	if err != nil {
		return err
	}
	n.audit = audit.New(audit.Options{Node: n.cfg.Node.Name, To: to, Log: n.log, Metrics: n.metrics})
	n.opened("audit log", func(context.Context) error { return n.audit.Close() })
	return nil
}

func (n *Node) auditOutput() (io.WriteCloser, error) {
	a := n.cfg.AuditLog
	if a.Stderr && n.options.Stderr == nil {
		return nil, errors.New("audit log: this process has no stderr to write it to")
	}
	if a.File.Path == "" {
		return outputs{stderr: n.options.Stderr}, nil
	}
	file, err := audit.OpenFile(audit.FileOptions{Path: a.File.Path, MaxBytes: a.File.MaxBytes, Backups: a.File.Backups, Daily: a.File.Daily})
	if err != nil {
		return nil, err
	}
	o := outputs{file: file}
	if a.Stderr {
		o.stderr = n.options.Stderr
	}
	return o, nil
}

// outputs writes to a file, whose failures count, and to stderr, whose own only count
// where it is alone; either may be nil.
type outputs struct {
	file   *audit.File
	stderr io.Writer
}

func (o outputs) Write(lines []byte) (n int, err error) {
	n = len(lines)
	if o.file != nil {
		if n, err = o.file.Write(lines); err != nil {
			return n, err
		}
	}
	if o.stderr != nil {
		if _, failed := o.stderr.Write(lines); o.file == nil {
			err = failed
		}
	}
	return n, err
}

func (o outputs) Close() error {
	if o.file == nil {
		return nil
	}
	return o.file.Close()
}
