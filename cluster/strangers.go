package cluster

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// strangerPause is how often at most the log tells of strangers, for each reason.
const strangerPause = time.Minute

// strangers counts what memberlist has thrown away because it is not this cluster's.
// memberlist tells it in its log alone, a line for each packet: anybody who can reach the
// port could fill the disk with them.
type strangers struct {
	now   func() time.Time
	log   *slog.Logger
	kinds [len(strangeness)]*metrics.Counter

	mu   sync.Mutex
	told [len(strangeness)]time.Time
}

// strangeness is how memberlist's lines tell (v0.7.0, net.go and security.go), what that
// means, and the metric's word for it. The first that fits counts.
var strangeness = [...]struct{ reason, line, means string }{
	{"label", "unacceptable label", "it has another cluster.label than this node"},
	{"key", "no installed keys could decrypt", "none of this node's gossip keys opens it: is the key the same everywhere, and was it added everywhere before any node used it?"},
	{"plain", "remote state is not encrypted", "it is not encrypted"},
	{"malformed", "Decrypt packet failed", "it is no gossip"},
	{"malformed", "stream label header", "it is no gossip"},
}

func newStrangers(o *Options) *strangers {
	s := &strangers{now: o.Now, log: o.Log}
	for i, kind := range strangeness {
		s.kinds[i] = o.Metrics.GetOrCreateCounter(fmt.Sprintf("rookery_gossip_refused_total{reason=%q}", kind.reason))
	}
	return s
}

// refused reports whether one of memberlist's lines tells of a stranger, and then counts
// it, and tells of it unless that was done a moment ago.
func (s *strangers) refused(line string) bool {
	for i, kind := range strangeness {
		if !strings.Contains(line, kind.line) {
			continue
		}
		s.kinds[i].Inc()
		if s.due(i) {
			s.log.Warn("gossip refused: "+kind.means, "reason", kind.reason, "detail", strings.TrimPrefix(line, "memberlist: "))
		}
		return true
	}
	return false
}

func (s *strangers) due(kind int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if last := s.told[kind]; !last.IsZero() && now.Sub(last) < strangerPause {
		return false
	}
	s.told[kind] = now
	return true
}
