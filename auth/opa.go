package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/VictoriaMetrics/metrics"
	"github.com/golang/groupcache/lru"

	"rookery/netguard"
)

// The reasons for which a policy's requests are refused.
const (
	Policy       = "policy"        // it said no
	PolicyFailed = "policy_failed" // it did not say
)

const (
	maxDecisions      = 10_000
	maxDecisionBytes  = 64 << 10 // of OPA's answer
	maxConnsToOPA     = 64
	idleOPAConnection = 30 * time.Second
)

// OPAOptions are the parts of an OPA.
type OPAOptions struct {
	URL     string        // of the server: http or https, and a path where its API is not at the root
	Policy  string        // below /v1/data, as "authz/allow"
	Timeout time.Duration // of one question
	TTL     time.Duration // how long a decision is believed; 0 is not at all
	Bucket  string        // a label in metrics
	// AllowLinkLocal lets the server be at a link-local address.
	AllowLinkLocal bool

	Now     func() time.Time
	Log     *slog.Logger
	Metrics *metrics.Set
}

// OPA is a rule that asks an Open Policy Agent server (OPA, "REST API", Data API). It
// fails closed: whatever is not a clear yes in time is a no. Decisions are remembered
// by all that was sent, and one question serves all who have it at the same time. Safe
// for concurrent use.
type OPA struct {
	o       OPAOptions
	url     string
	client  *http.Client
	failing atomic.Bool

	allowed, denied, failed, cached *metrics.Counter
	took                            *metrics.PrometheusHistogram

	mu    sync.Mutex
	known lru.Cache                  // of decision by question
	asked map[question]*openQuestion // under way
}

// question is the SHA-256 of what is sent.
type question [sha256.Size]byte

type decision struct {
	allow bool
	until time.Time
}

// openQuestion is one that somebody has asked. The other fields are for who has seen
// done closed.
type openQuestion struct {
	done  chan struct{}
	allow bool
	err   error
}

// NewOPA makes a rule. Its idle connections are closed when ctx ends; who asks it after
// that is answered as before.
func NewOPA(ctx context.Context, o OPAOptions) (*OPA, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("want a URL such as http://127.0.0.1:8181")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = metrics.NewSet()
	}
	counter := func(name, labels string) *metrics.Counter {
		return o.Metrics.GetOrCreateCounter(fmt.Sprintf("%s{bucket=%q%s}", name, o.Bucket, labels))
	}
	dialer := &net.Dialer{Timeout: o.Timeout, Control: netguard.Control(o.AllowLinkLocal)}
	transport := &http.Transport{
		DialContext: dialer.DialContext, MaxConnsPerHost: maxConnsToOPA, MaxIdleConnsPerHost: maxConnsToOPA,
		IdleConnTimeout: idleOPAConnection, MaxResponseHeaderBytes: maxDecisionBytes,
	}
	context.AfterFunc(ctx, transport.CloseIdleConnections)
	return &OPA{
		o: o, url: u.JoinPath("v1", "data", o.Policy).String(),
		client:  &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		allowed: counter("rookery_opa_requests_total", `,outcome="allow"`), denied: counter("rookery_opa_requests_total", `,outcome="deny"`),
		failed: counter("rookery_opa_requests_total", `,outcome="failed"`), cached: counter("rookery_opa_cached_total", ""),
		took:  o.Metrics.GetOrCreatePrometheusHistogram(fmt.Sprintf("rookery_opa_duration_seconds{bucket=%q}", o.Bucket)),
		known: lru.Cache{MaxEntries: maxDecisions}, asked: map[question]*openQuestion{},
	}, nil
}

// input is what a policy sees: Yatagarasu's five fields, and what it had no word for.
type input struct {
	Claims   map[string]any `json:"jwt_claims"`
	Bucket   string         `json:"bucket"`
	Path     string         `json:"path"` // a slash, and the object's name or the list's prefix
	Method   string         `json:"method"`
	ClientIP string         `json:"client_ip,omitempty"`
	Action   string         `json:"action"`
	Scheme   string         `json:"scheme"`
	Subject  string         `json:"subject"`
	Issuer   string         `json:"issuer"`
}

func documentOf(r *Request, who *Identity) ([]byte, error) {
	if !utf8.ValidString(r.Name) {
		return nil, errors.New("a name that is not UTF-8 cannot be told to a policy")
	}
	in := input{
		Claims: who.Claims, Bucket: r.Bucket, Path: "/" + r.Name, Method: r.Method,
		Action: r.Action.String(), Scheme: who.Scheme, Subject: who.Subject, Issuer: who.Issuer,
	}
	if in.Claims == nil {
		in.Claims = map[string]any{}
	}
	if r.Remote.IsValid() {
		in.ClientIP = r.Remote.Unmap().String()
	}
	return json.Marshal(map[string]any{"input": in})
}

// Allow asks, unless the answer is known.
func (p *OPA) Allow(ctx context.Context, r *Request, who *Identity) error {
	document, err := documentOf(r, who)
	if err != nil {
		return &Denied{Reason: PolicyFailed, Err: err}
	}
	allow, err := p.decide(ctx, sha256.Sum256(document), document)
	switch {
	case err != nil:
		return &Denied{Reason: PolicyFailed, Err: err}
	case !allow:
		return &Denied{Reason: Policy}
	}
	return nil
}

// decide joins whoever asks the same already. Who asks first goes on asking for the
// others when its client has gone.
func (p *OPA) decide(ctx context.Context, q question, document []byte) (allow bool, err error) {
	p.mu.Lock()
	if v, ok := p.known.Get(q); ok && p.o.Now().Before(v.(decision).until) {
		p.mu.Unlock()
		p.cached.Inc()
		return v.(decision).allow, nil
	}
	open, joined := p.asked[q]
	if !joined {
		open = &openQuestion{done: make(chan struct{}), err: errors.New("the question was given up")}
		p.asked[q] = open
	}
	p.mu.Unlock()
	if joined {
		select {
		case <-open.done:
			return open.allow, open.err
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	began := p.o.Now()
	defer p.close(q, open, began)
	open.allow, open.err = p.ask(context.WithoutCancel(ctx), document)
	return open.allow, open.err
}

// close tells the others, and remembers what was decided for as long as it may be
// believed since it was asked.
func (p *OPA) close(q question, open *openQuestion, began time.Time) {
	p.mu.Lock()
	delete(p.asked, q)
	if open.err == nil && p.o.TTL > 0 {
		p.known.Add(q, decision{open.allow, began.Add(p.o.TTL)})
	}
	p.mu.Unlock()
	close(open.done)
	p.count(open, p.o.Now().Sub(began))
}

// count counts an answer. The log has when OPA begins to fail, and when it has ended.
func (p *OPA) count(open *openQuestion, took time.Duration) {
	p.took.Update(took.Seconds())
	switch {
	case open.err != nil:
		p.failed.Inc()
		if p.failing.CompareAndSwap(false, true) {
			p.o.Log.Warn("OPA does not decide; reads are refused", "bucket", p.o.Bucket, "err", open.err)
		}
		return
	case open.allow:
		p.allowed.Inc()
	default:
		p.denied.Inc()
	}
	if p.failing.CompareAndSwap(true, false) {
		p.o.Log.Info("OPA decides again", "bucket", p.o.Bucket)
	}
}

func (p *OPA) ask(ctx context.Context, document []byte) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, p.o.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(document))
	if err != nil {
		return false, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header["Idempotency-Key"] = nil // sends nothing, and has a connection that OPA closed tried again
	answer, err := p.client.Do(request)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxDecisionBytes+1))
	switch {
	case err != nil:
		return false, err
	case answer.StatusCode != http.StatusOK:
		return false, fmt.Errorf("OPA answered %d", answer.StatusCode)
	case len(text) > maxDecisionBytes:
		return false, fmt.Errorf("OPA's answer has more than %d bytes", maxDecisionBytes)
	}
	return readDecision(text)
}

// readDecision takes {"result": true} and {"result": {"allow": true}} for a yes, both
// with false for a no, and anything else for none. A policy that does not exist has no
// result.
func readDecision(text []byte) (bool, error) {
	var answer, whole map[string]json.RawMessage
	if err := json.Unmarshal(text, &answer); err != nil {
		return false, errors.New("OPA's answer is no JSON")
	}
	result := answer["result"]
	if json.Unmarshal(result, &whole) == nil {
		result = whole["allow"]
	}
	switch string(result) {
	case "true", "false":
		return string(result) == "true", nil
	}
	return false, errors.New("OPA's answer has no result that is true or false, nor one with allow: is there such a policy?")
}
