package council

import (
	"context"
	"log/slog"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// raftLog writes raft's lines to log. What it calls an error is mostly another
// node that does not answer, which is for raft to settle, and every election that
// it is at pains to tell of shows in the status: so they are detail here.
func raftLog(to *slog.Logger) hclog.Logger {
	if !to.Enabled(context.Background(), slog.LevelDebug) {
		return hclog.NewNullLogger()
	}
	return hclog.New(&hclog.LoggerOptions{
		Level: hclog.Info, Output: logWriter{to}, DisableTime: true,
	})
}

type logWriter struct{ to *slog.Logger }

// Write takes one line. It never fails.
func (w logWriter) Write(line []byte) (int, error) {
	w.to.Debug(strings.TrimSpace(string(line)), "room", "raft")
	return len(line), nil
}
