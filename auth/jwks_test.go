package auth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/VictoriaMetrics/metrics"

	"rookery/auth"
)

// published is the key set of an issuer, and the network to it.
type published struct {
	t testing.TB

	mu    sync.Mutex
	set   string
	fails error
	hangs bool
	asked int
}

func (p *published) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.asked++
	set, fails, hangs := p.set, p.fails, p.hangs
	p.mu.Unlock()
	if hangs {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if fails != nil {
		return nil, fails
	}
	time.Sleep(50 * time.Millisecond) // on synctest's clock
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(set))}, nil
}

// publish replaces the set: names of keys, "kid=algorithm".
func (p *published) publish(keys ...string) {
	p.t.Helper()
	all := make([]string, len(keys))
	for i, k := range keys {
		id, algorithm, _ := strings.Cut(k, "=")
		all[i] = toJSON(p.t, jwk(p.t, id, algorithm).Marshal())
	}
	p.change(func() { p.set = `{"keys":[` + strings.Join(all, ",") + `]}` })
}

func (p *published) change(how func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	how()
}

func (p *published) times() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

func jwk(t testing.TB, id, algorithm string) jwkset.JWK {
	t.Helper()
	key, err := jwkset.NewJWKFromKey(pairs()[algorithm].public, jwkset.JWKOptions{
		Metadata: jwkset.JWKMetadataOptions{KID: id, ALG: jwkset.ALG(algorithm), USE: jwkset.UseSig},
	})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// story runs a test on synctest's clock, with a verifier that fetches every hour and
// keeps keys for three. What it fetches ends with the test.
func story(t *testing.T, p *published, tell func(t *testing.T, j *auth.JWT)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		defer func() { end(); synctest.Wait() }()
		j, err := auth.NewJWT(ctx, auth.JWTOptions{Issuers: []auth.Issuer{{
			Algorithms: []string{"RS256", "ES256"}, ExpiryOptional: true,
			JWKS: (&auth.JWKS{URL: "https://issuer.test/keys", Refresh: time.Hour, Keep: 3 * time.Hour}).WithFault(p),
		}}})
		if err != nil {
			t.Fatal(err)
		}
		tell(t, j)
	})
}

func verify(t *testing.T, j *auth.JWT, token string) string {
	t.Helper()
	_, err := j.Verify(t.Context(), token)
	return reasonOf(t, err)
}

func TestKeysRotate(t *testing.T) {
	p := &published{t: t}
	p.publish("a=RS256")
	forever := claims("exp", nil)
	a, b := sign(t, "RS256", "a", forever), sign(t, "ES256", "b", forever)
	story(t, p, func(t *testing.T, j *auth.JWT) {
		if got := verify(t, j, a); got != "" || p.times() != 1 {
			t.Fatalf("%q after %d fetches", got, p.times())
		}
		// A new key is fetched when the first token names it, and the request waits.
		time.Sleep(time.Minute)
		p.publish("a=RS256", "b=ES256")
		if got := verify(t, j, b); got != "" || p.times() != 2 {
			t.Fatalf("the new key: %q after %d fetches", got, p.times())
		}
		// Remembered tokens hold as long as their keys are published, and no longer.
		p.publish("b=ES256")
		if got := verify(t, j, a); got != "" {
			t.Fatalf("%q before the keys were fetched again", got)
		}
		time.Sleep(61 * time.Minute)
		if got := verify(t, j, a); got != auth.UnknownKey {
			t.Errorf("the key is gone: %q", got)
		}
		if got := verify(t, j, b); got != "" {
			t.Errorf("the key that stayed: %q", got)
		}
	})
}

func TestUnknownKeysAreFetchedOnceInAWhile(t *testing.T) {
	p := &published{t: t}
	p.publish("a=RS256")
	story(t, p, func(t *testing.T, j *auth.JWT) {
		time.Sleep(time.Minute)
		begun := time.Now()
		var wait sync.WaitGroup
		for i := range 1000 {
			wait.Go(func() { verify(t, j, sign(t, "ES256", fmt.Sprint("unknown", i), claims("exp", nil))) })
		}
		wait.Wait()
		if p.times() != 2 || time.Since(begun) > 2*time.Second {
			t.Errorf("%d fetches in %s", p.times(), time.Since(begun))
		}
		begun = time.Now()
		for i := range 1000 {
			if got := verify(t, j, sign(t, "ES256", fmt.Sprint("later", i), claims("exp", nil))); got != auth.UnknownKey {
				t.Fatal(got)
			}
		}
		if p.times() != 2 || time.Since(begun) != 0 {
			t.Errorf("%d fetches, waited %s", p.times(), time.Since(begun))
		}
		time.Sleep(11 * time.Second)
		verify(t, j, sign(t, "ES256", "again", claims("exp", nil)))
		if p.times() != 3 {
			t.Errorf("%d fetches", p.times())
		}
	})
}

func TestLastKeysAreKeptForAWhile(t *testing.T) {
	p := &published{t: t}
	p.publish("a=RS256")
	token, other := sign(t, "RS256", "a", claims("exp", nil)), sign(t, "RS256", "a", claims("exp", nil, "n", 1))
	story(t, p, func(t *testing.T, j *auth.JWT) {
		if got := verify(t, j, token); got != "" {
			t.Fatal(got)
		}
		p.change(func() { p.fails = errors.New("no route") })
		time.Sleep(3*time.Hour - time.Minute)
		if got := verify(t, j, token); got != "" {
			t.Errorf("within the time: %q", got)
		}
		time.Sleep(time.Minute)
		if got := verify(t, j, token); got != auth.NoKeys {
			t.Errorf("a remembered token after it: %q", got)
		}
		if got := verify(t, j, other); got != auth.NoKeys {
			t.Errorf("another after it: %q", got)
		}
		p.change(func() { p.fails = nil })
		time.Sleep(11 * time.Second)
		if got := verify(t, j, token); got != "" {
			t.Errorf("when they are there again: %q", got)
		}
	})
}

// Without keys at the start tokens are refused, and nobody waits for long.
func TestAStartWithoutKeys(t *testing.T) {
	p := &published{t: t, hangs: true}
	p.publish("a=RS256")
	token := sign(t, "RS256", "a", claims("exp", nil))
	begun := time.Time{}
	story(t, p, func(t *testing.T, j *auth.JWT) {
		begun = time.Now()
		if got := verify(t, j, token); got != auth.NoKeys || time.Since(begun) > 2*time.Second {
			t.Errorf("%q after %s", got, time.Since(begun))
		}
		p.change(func() { p.hangs = false })
		time.Sleep(16 * time.Second)
		if got := verify(t, j, token); got != "" {
			t.Errorf("when they are there: %q", got)
		}
	})
}

// A reload while the issuer cannot be reached keeps its keys, as old as they are, and
// waits for nobody.
func TestKeysOutliveAReload(t *testing.T) {
	p := &published{t: t}
	p.publish("a=RS256")
	token := sign(t, "RS256", "a", claims("exp", nil))
	story(t, p, func(t *testing.T, before *auth.JWT) {
		for at, want := range map[string]string{"https://issuer.test/keys": "", "https://issuer.test/others": auth.NoKeys} {
			ctx, end := context.WithCancel(t.Context())
			p.change(func() { p.hangs = true })
			begun := time.Now()
			after, err := auth.NewJWT(ctx, auth.JWTOptions{Before: before, Issuers: []auth.Issuer{{
				Algorithms: []string{"RS256", "ES256"}, ExpiryOptional: true,
				JWKS: (&auth.JWKS{URL: at, Refresh: time.Hour, Keep: 2 * time.Hour}).WithFault(p),
			}}})
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begun); want == "" && took != 0 {
				t.Errorf("%s: it waited %s", at, took)
			}
			if got := verify(t, after, token); got != want {
				t.Errorf("%s: %q, want %q", at, got, want)
			}
			time.Sleep(2 * time.Hour)
			if got := verify(t, after, token); got != auth.NoKeys {
				t.Errorf("%s: later %q", at, got)
			}
			p.change(func() { p.hangs = false })
			end()
			time.Sleep(time.Hour) // the former one fetches again
		}
	})
}

// A set that is wrong as a whole leaves the last one in its place; a key that is of no
// use is passed over.
func TestSets(t *testing.T) {
	rs, es := toJSON(t, jwk(t, "a", "RS256").Marshal()), toJSON(t, jwk(t, "b", "ES256").Marshal())
	with := func(key, name, value string) string {
		return strings.Replace(key, "{", `{"`+name+`":`+value+`,`, 1)
	}
	small := `{"kty":"RSA","kid":"small","e":"AQAB","n":"` + strings.Repeat("u", 170) + `"}`
	many := strings.TrimSuffix(strings.Repeat(small+",", 65), ",")
	for name, c := range map[string]struct {
		set  string
		a, b string // what comes of tokens of the two keys, a being in the set before
	}{
		"both":                  {`{"keys":[` + rs + "," + es + `]}`, "", ""},
		"more beside the keys":  {`{"issuer":"x","keys":[` + es + `]}`, auth.UnknownKey, ""},
		"none":                  {`{"keys":[]}`, auth.UnknownKey, auth.UnknownKey},
		"weak ones beside":      {`{"keys":[` + small + "," + es + `]}`, auth.UnknownKey, ""},
		"broken ones beside":    {`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"new"},` + es + `]}`, auth.UnknownKey, ""},
		"for encryption":        {`{"keys":[` + strings.Replace(es, `"sig"`, `"enc"`, 1) + `]}`, auth.UnknownKey, auth.UnknownKey},
		"not for verifying":     {`{"keys":[` + with(es, "key_ops", `["sign"]`) + `]}`, auth.UnknownKey, auth.UnknownKey},
		"for another algorithm": {`{"keys":[` + strings.Replace(es, `"ES256"`, `"ES384"`, 1) + `]}`, auth.UnknownKey, auth.UnknownKey},
		"with certificates":     {`{"keys":[` + with(es, "x5u", `"http://127.0.0.1:1/"`) + `]}`, auth.UnknownKey, ""},

		"a secret":         {`{"keys":[` + es + `,{"kty":"oct","k":"AAAA"}]}`, "", auth.UnknownKey},
		"a private key":    {`{"keys":[` + with(es, "d", `"AAAA"`) + `]}`, "", auth.UnknownKey},
		"one id for two":   {`{"keys":[` + es + "," + strings.Replace(rs, `"a"`, `"b"`, 1) + `]}`, "", auth.UnknownKey},
		"too many":         {`{"keys":[` + many + "," + es + `]}`, "", auth.UnknownKey},
		"too large":        {`{"keys":[` + es + `]}` + strings.Repeat(" ", 256<<10), "", auth.UnknownKey},
		"not JSON":         {`<html>`, "", auth.UnknownKey},
		"no keys":          {`{}`, "", auth.UnknownKey},
		"keys of no kind":  {`{"keys":{"a":1}}`, "", auth.UnknownKey},
		"keys that are no": {`{"keys":[1]}`, "", auth.UnknownKey},
		"two sets":         {`{"keys":[` + es + `],"keys":[]}`, "", auth.UnknownKey},
	} {
		p := &published{t: t}
		p.publish("a=RS256")
		a, b := sign(t, "RS256", "a", claims("exp", nil)), sign(t, "ES256", "b", claims("exp", nil))
		story(t, p, func(t *testing.T, j *auth.JWT) {
			p.change(func() { p.set = c.set })
			time.Sleep(61 * time.Minute)
			if got := verify(t, j, a); got != c.a {
				t.Errorf("%s: the old key: %q, want %q", name, got, c.a)
			}
			if got := verify(t, j, b); got != c.b {
				t.Errorf("%s: the new key: %q, want %q", name, got, c.b)
			}
		})
	}
}

func TestFetchesAreCounted(t *testing.T) {
	p := &published{t: t}
	p.publish("a=RS256", "b=ES256")
	set := metrics.NewSet()
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		defer func() { end(); synctest.Wait() }()
		_, err := auth.NewJWT(ctx, auth.JWTOptions{Metrics: set, Issuers: []auth.Issuer{{
			Name: "me", Algorithms: []string{"RS256", "ES256"},
			JWKS: (&auth.JWKS{URL: "https://issuer.test/keys", Refresh: time.Hour, Keep: 3 * time.Hour}).WithFault(p),
		}}})
		if err != nil {
			t.Fatal(err)
		}
		p.change(func() { p.fails = errors.New("no route") })
		time.Sleep(61 * time.Minute)
		var text strings.Builder
		set.WritePrometheus(&text)
		for _, want := range []string{
			`rookery_jwks_fetches_total{issuer="me",outcome="ok"} 1`, `rookery_jwks_keys{issuer="me"} 2`, `rookery_jwks_fetched_timestamp_seconds{issuer="me"} 946684800`,
		} {
			if !strings.Contains(text.String(), want) {
				t.Errorf("no %s in\n%s", want, &text)
			}
		}
		if strings.Contains(text.String(), `outcome="failed"} 0`) {
			t.Errorf("failures are not counted:\n%s", &text)
		}
	})
}

// Over real sockets: who is believed, and where a fetch goes.
func TestWhereKeysAreFetchedFrom(t *testing.T) {
	p := &published{t: t}
	p.publish("a=RS256")
	var asked atomic.Int32
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/keys", http.StatusFound)
		case "/error":
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, p.set)
		default:
			fmt.Fprint(w, p.set)
		}
	})
	plain, secure := servers(t, serve)
	token := sign(t, "RS256", "a", claims())
	for _, c := range []struct {
		name   string
		keys   auth.JWKS
		reason string
		asked  int32
	}{
		{"by TLS", auth.JWKS{URL: secure.URL + "/keys", Roots: roots(secure)}, "", 1},
		{"by TLS, from whom nobody vouches for", auth.JWKS{URL: secure.URL + "/keys"}, auth.NoKeys, 0},
		{"in clear from this machine", auth.JWKS{URL: plain.URL + "/keys"}, "", 1},
		{"through a redirect", auth.JWKS{URL: secure.URL + "/redirect", Roots: roots(secure)}, auth.NoKeys, 1},
		{"with a status that is none", auth.JWKS{URL: secure.URL + "/error", Roots: roots(secure)}, auth.NoKeys, 1},
		{"in clear from another machine", auth.JWKS{URL: "http://192.0.2.1/keys"}, auth.NoKeys, 0},
		{"from a link-local address", auth.JWKS{URL: "https://169.254.169.254/keys"}, auth.NoKeys, 0},
		{"from a link-local address in IPv6", auth.JWKS{URL: "https://[::ffff:169.254.169.254]/keys"}, auth.NoKeys, 0},
	} {
		asked.Store(0)
		c.keys.Refresh, c.keys.Keep = time.Hour, time.Hour
		begun := time.Now()
		j := newJWT(t, auth.JWTOptions{Issuers: []auth.Issuer{{Algorithms: []string{"RS256"}, JWKS: &c.keys}}})
		if _, err := j.Verify(t.Context(), token); reasonOf(t, err) != c.reason || asked.Load() != c.asked {
			t.Errorf("%s: %v after %d requests, want %q after %d", c.name, err, asked.Load(), c.reason, c.asked)
		}
		if time.Since(begun) > 3*time.Second {
			t.Errorf("%s: it was tried for %s", c.name, time.Since(begun))
		}
	}
}
