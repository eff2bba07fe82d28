package object

import "time"

// Wish is what a client's Cache-Control asks of the cache (RFC 9111 §5.2.1), where
// the bucket lets clients ask.
type Wish struct {
	NoCache      bool // S3 is asked before anything stored is used
	NoStore      bool // nothing new is stored for this request
	OnlyIfCached bool // S3 is not asked
	// MaxAge and MaxStale are NoLimit where the client gave none, so what is zero
	// in them is a limit.
	MaxAge   time.Duration
	MaxStale time.Duration
	MinFresh time.Duration // 0: none
}

// NoLimit stands for a limit that a client did not give.
const NoLimit = time.Duration(-1)

// Strict reports whether the wish may refuse what is fresh.
func (w *Wish) Strict() bool {
	return w != nil && (w.NoCache || w.MaxAge != NoLimit || w.MinFresh > 0)
}

// Use is how a stored answer may be used.
type Use uint8

// The uses.
const (
	// UseNot: S3 has to be asked first.
	UseNot Use = iota
	// UseFresh: it is fresh, and no wish refuses it.
	UseFresh
	// UseStale: it is stale, and the client takes it.
	UseStale
	// UseWhileRevalidating: it is stale, and S3 is to be asked meanwhile.
	UseWhileRevalidating
)

// For decides how an answer of that age may be used for a client's wish, which
// may be nil. Where the client has limits of its own, what is stale is used only if it
// says so. no-cache outdoes immutable, and max-age does not (RFC 8246 §2).
func (l *Lifetime) For(age time.Duration, w *Wish) Use {
	fresh := age < l.Fresh
	if w == nil {
		w = &Wish{MaxAge: NoLimit, MaxStale: NoLimit}
	}
	stale := age - l.Fresh
	switch {
	case w.NoCache, w.MinFresh > 0 && age+w.MinFresh > l.Fresh:
		return UseNot
	case w.MaxAge != NoLimit && age > w.MaxAge && !(fresh && l.Immutable):
		return UseNot
	case fresh:
		return UseFresh
	case w.MaxStale != NoLimit && stale <= w.MaxStale && !l.Strict:
		return UseStale
	case !w.Strict() && stale < l.StaleWhileRevalidate:
		return UseWhileRevalidating
	}
	return UseNot
}
