package limit

import (
	"net/netip"
	"sync"
	"time"
)

// Kind is what a limit counts.
type Kind uint8

// The kinds.
const (
	Requests Kind = iota + 1
	Bytes
)

// Scope is whose requests and bytes a limit counts.
type Scope uint8

// The scopes.
const (
	Total Scope = iota
	Address
	Subject
)

// Refusal is a request that comes too soon.
type Refusal struct {
	Scope Scope
	Kind  Kind
	After time.Duration // until one may be taken again, if nobody else comes
}

var (
	scopeNames = [...]string{"total", "address", "subject"}
	kindNames  = [...]string{"", "requests", "bytes"}
)

// Name is the limit's in metrics, as "address_requests".
func (r *Refusal) Name() string { return scopeNames[r.Scope] + "_" + kindNames[r.Kind] }

// Who is a subject: unique with its scheme and its issuer.
type Who struct{ Scheme, Issuer, Subject string }

// Limiter holds clients to Rates. A nil Limiter holds nobody to anything. Safe for
// concurrent use.
type Limiter struct {
	start     time.Time
	mu        sync.Mutex // of total
	total     meter
	plan      plan
	limited   bool // in total
	addresses *table[netip.Addr]
	subjects  *table[Who]
}

// New makes a limiter; nil if there are no limits.
func New(r Rates, now time.Time) *Limiter {
	if !r.Limited() {
		return nil
	}
	return &Limiter{
		start: now, plan: newPlan(r.Total), limited: r.Total.Limited(),
		addresses: newTable[netip.Addr](r.PerAddress), subjects: newTable[Who](r.PerSubject),
	}
}

// Arrive counts a request of an address, before anything else is known of it. The
// address' own limit is asked first: who is beyond it takes nothing from the others.
func (l *Limiter) Arrive(now time.Time, from netip.Addr) *Refusal {
	if l == nil {
		return nil
	}
	at := now.Sub(l.start)
	if l.addresses != nil {
		if kind, wait := l.addresses.take(network(from), at); kind != 0 {
			return &Refusal{Address, kind, wait}
		}
	}
	if !l.limited {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if kind, wait := l.total.take(&l.plan, at); kind != 0 {
		return &Refusal{Total, kind, wait}
	}
	return nil
}

// Identified counts a request of a subject, once it has proved who it is. The zero Who
// has no limit.
func (l *Limiter) Identified(now time.Time, who Who) *Refusal {
	if l == nil || l.subjects == nil || who == (Who{}) {
		return nil
	}
	if kind, wait := l.subjects.take(who, now.Sub(l.start)); kind != 0 {
		return &Refusal{Subject, kind, wait}
	}
	return nil
}

// Charge counts bytes that go to a client. Negative ones are given back.
func (l *Limiter) Charge(now time.Time, from netip.Addr, who Who, bytes int64) {
	if l == nil || bytes == 0 {
		return
	}
	at := now.Sub(l.start)
	if t := l.addresses; t != nil && t.plan.bytes > 0 {
		t.charge(network(from), at, bytes)
	}
	if t := l.subjects; t != nil && t.plan.bytes > 0 && who != (Who{}) {
		t.charge(who, at, bytes)
	}
	if l.plan.bytes > 0 {
		l.mu.Lock()
		l.total.charge(&l.plan, at, bytes)
		l.mu.Unlock()
	}
}

// Tracked returns how many addresses and subjects are told apart.
func (l *Limiter) Tracked() (n int) {
	if l == nil {
		return 0
	}
	if l.addresses != nil {
		n = l.addresses.len()
	}
	if l.subjects != nil {
		n += l.subjects.len()
	}
	return n
}

// network is what counts as one address: of IPv6 the /64, all of which one host has
// (RFC 4291 §2.5.1).
func network(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.Is6() {
		return a
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}
