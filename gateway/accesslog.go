package gateway

import (
	"context"
	"log/slog"
	"time"
)

// maxAgentBytes of a User-Agent go into the log.
const maxAgentBytes = 200

// finish counts and logs an answer whose last byte has left, or will not.
func (c *Core) finish(ctx context.Context, a *Answer, sent int64, err error) {
	took := c.now().Sub(a.started)
	c.meter.inFlight.Add(-1)
	a.bucket.count(a, sent, took)
	if err != nil {
		c.aborted(ctx, a, sent, err)
	}
	level := slog.LevelInfo
	if a.probe {
		level = slog.LevelDebug // a load balancer asks every second
	}
	if a.accessLog != nil && a.accessLog.Enabled(ctx, level) {
		a.accessLog.LogAttrs(ctx, level, "request", a.line(sent, took)...)
	}
}

// aborted counts a body that broke off. A client that leaves is no news.
func (c *Core) aborted(ctx context.Context, a *Answer, sent int64, err error) {
	if a.failure == abortClient {
		c.meter.byClient.Inc()
		return
	}
	c.meter.bySource.Inc()
	c.log.LogAttrs(ctx, slog.LevelWarn, "body broke off", append(attrsOf(a, err), slog.Int64("bytes", sent), slog.Int64("length", a.length))...)
}

// line is the access log's. It has no query: tokens travel there.
func (a *Answer) line(sent int64, took time.Duration) []slog.Attr {
	agent := a.agent
	if len(agent) > maxAgentBytes {
		agent = agent[:maxAgentBytes]
	}
	ttfb := took // without the node there is no wait worth telling apart
	if !a.answered.IsZero() {
		ttfb = a.answered.Sub(a.started)
	}
	attrs := make([]slog.Attr, 0, 17)
	attrs = append(attrs,
		slog.String("request_id", a.requestID), slog.String("method", a.method),
		slog.String("bucket", a.bucket.bucket), slog.String("key", a.key.Name), slog.String("version", a.key.Version),
		slog.Int("status", a.Status), slog.Int64("bytes", sent), slog.String("range", a.rangeHeader))
	if a.cached {
		attrs = append(attrs, slog.String("source", a.source.String()), slog.String("outcome", a.outcome.String()),
			slog.String("owner_source", a.ownerSource.String()))
	} else {
		attrs = append(attrs, slog.String("path", a.resource))
	}
	attrs = append(attrs, slog.Float64("duration_ms", milliseconds(took)), slog.Float64("ttfb_ms", milliseconds(ttfb)),
		slog.String("remote", a.remote), slog.String("user_agent", agent))
	if a.failure != "" {
		attrs = append(attrs, slog.String("error", a.failure))
	}
	return attrs
}

func attrsOf(a *Answer, err error) []slog.Attr {
	return []slog.Attr{slog.String("request_id", a.requestID), slog.String("key", a.key.String()), slog.Any("error", err)}
}

// levelOf is Error for what nobody foresaw, Warn for what the origin or the
// cluster did.
func levelOf(p *problem) slog.Level {
	if p == internalError {
		return slog.LevelError
	}
	return slog.LevelWarn
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
