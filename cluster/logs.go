package cluster

import (
	"context"
	"log"
	"log/slog"
	"net"
	"strings"
)

// gossipLog writes memberlist's lines to log. Every change of the membership is
// logged by this package as well, so its INFO is detail; and what it calls an
// error is another node that does not answer, which is for it to settle.
func gossipLog(to *slog.Logger, s *strangers) *log.Logger {
	return log.New(logWriter{to, s}, "", 0)
}

type logWriter struct {
	to        *slog.Logger
	strangers *strangers
}

// Write takes one line, "[LEVEL] memberlist: text". It never fails.
func (w logWriter) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	level := slog.LevelWarn
	tag, rest, _ := strings.Cut(text, " ")
	switch tag {
	case "[DEBUG]", "[INFO]":
		level, text = slog.LevelDebug, rest
	case "[WARN]", "[ERR]", "[ERROR]":
		text = rest
	}
	if w.strangers.refused(text) {
		level = slog.LevelDebug
	}
	// Its own sockets close under its last sends: that is no news. The line has
	// the error as text alone.
	if strings.Contains(text, net.ErrClosed.Error()) {
		level = slog.LevelDebug
	}
	w.to.Log(context.Background(), level, strings.TrimPrefix(text, "memberlist: "), "room", "gossip")
	return len(line), nil
}
