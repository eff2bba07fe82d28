package auth_test

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"rookery/auth"
)

var (
	urlTime = time.Unix(1_700_000_000, 0)
	webKey  = auth.SignedURLKey{ID: "web", Secret: []byte("0123456789abcdef0123456789abcdef")}
	oldKey  = auth.SignedURLKey{ID: "old/1", Secret: []byte("fedcba9876543210fedcba9876543210")}
)

func newSignedURLs(t *testing.T, at time.Time) *auth.SignedURLs {
	t.Helper()
	s, err := auth.NewSignedURLs([]auth.SignedURLKey{webKey, oldKey}, 24*time.Hour, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func signURL(t *testing.T, k auth.SignedURLKey, u auth.URLToSign) string {
	t.Helper()
	query, err := k.Sign(&u)
	if err != nil {
		t.Fatal(err)
	}
	return query
}

func urlRequest(name, query string) *auth.Request {
	return &auth.Request{
		Method: "GET", Target: "/b/" + name + "?" + query, Header: http.Header{}, Remote: netip.MustParseAddr("192.0.2.7"),
		Bucket: "b", Action: auth.Read, Name: name,
	}
}

// The text that is signed is written down, for those who sign in other languages:
// printf '20:rookery-signed-url-1,1:b,1:o,6:rk-key,3:web,10:rk-expires,10:1700003600,' |
// openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef -binary | basenc --base64url
func TestSignedURLIsWhatTheManualSays(t *testing.T) {
	got := signURL(t, webKey, auth.URLToSign{Bucket: "b", Name: "o", Expires: urlTime.Add(time.Hour)})
	if want := "rk-key=web&rk-expires=1700003600&rk-signature=cPASgMxkv256JIQXl8NU6RXY0eI7HzXbxE7M41mWWDY"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSignedURLs(t *testing.T) {
	s := newSignedURLs(t, urlTime)
	hour := urlTime.Add(time.Hour)
	plain := signURL(t, webKey, auth.URLToSign{Bucket: "b", Name: "o", Expires: hour})
	version := signURL(t, webKey, auth.URLToSign{Bucket: "b", Name: "o", Query: "versionId=a+b&response-content-type=a+b", Expires: hour})
	late := signURL(t, webKey, auth.URLToSign{Bucket: "b", Name: "o", Expires: urlTime.Add(24*time.Hour + time.Second)})
	here := signURL(t, webKey, auth.URLToSign{Bucket: "b", Name: "o", Expires: hour, From: "192.0.2.7"})
	near := signURL(t, webKey, auth.URLToSign{Bucket: "b", Name: "o", Expires: hour, From: "192.0.2.0/24"})
	far := signURL(t, webKey, auth.URLToSign{Bucket: "b", Name: "o", Expires: hour, From: "2001:db8::/32"})
	mac := "rk-signature=" + after(plain, "rk-signature=")
	for _, c := range []struct {
		name, query string
		change      func(*auth.Request)
		reason      string
	}{
		{"plain", plain, nil, ""},
		{"HEAD", plain, func(r *auth.Request) { r.Method = "HEAD" }, ""},
		{"by another route", plain, func(r *auth.Request) { r.Target = "http://b.example.com/%6F?" + plain }, ""},
		{"the other key", signURL(t, oldKey, auth.URLToSign{Bucket: "b", Name: "o", Expires: hour}), nil, ""},
		{"for a day", signURL(t, webKey, auth.URLToSign{Bucket: "b", Name: "o", Expires: urlTime.Add(24 * time.Hour)}), nil, ""},
		{"from here", here, nil, ""},
		{"from here, IPv6 form", here, func(r *auth.Request) { r.Remote = netip.MustParseAddr("::ffff:192.0.2.7") }, ""},
		{"from nearby", near, nil, ""},
		{"with parameters", version, nil, ""},
		{"spelled otherwise", strings.Replace(version, "response-content-type=a+b", "response%2Dcontent-type=a%20b", 1), nil, ""},

		{"nothing", "", nil, "nobody"},
		{"other parameters", "a=b&k%20=%zz&c", nil, "nobody"},
		{"another object", plain, func(r *auth.Request) { r.Name = "p" }, auth.BadSignature},
		{"another bucket", plain, func(r *auth.Request) { r.Bucket = "c" }, auth.BadSignature},
		{"a list", plain, func(r *auth.Request) { r.Action = auth.List }, auth.ObjectsAlone},
		{"the bucket", plain, func(r *auth.Request) { r.Action = auth.Buckets }, auth.ObjectsAlone},
		{"longer", strings.Replace(plain, "1700003600", "1700003601", 1), nil, auth.BadSignature},
		{"another key", strings.Replace(plain, "rk-key=web", "rk-key=old/1", 1), nil, auth.BadSignature},
		{"an unknown key", strings.Replace(plain, "rk-key=web", "rk-key=none", 1), nil, auth.UnknownKey},
		{"a parameter more", "x=y&" + plain, nil, auth.BadSignature},
		{"a version more", plain + "&versionId=3", nil, auth.BadSignature},
		{"an override more", plain + "&response-content-type=text/html", nil, auth.BadSignature},
		{"a part more", plain + "&partNumber=1", nil, auth.BadSignature},
		{"a space for a plus", strings.Replace(version, "versionId=a+b", "versionId=a%20b", 1), nil, auth.BadSignature},
		{"an address more", plain + "&rk-ip=192.0.2.7", nil, auth.BadSignature},
		{"an address less", strings.Replace(here, "&rk-ip=192.0.2.7", "", 1), nil, auth.BadSignature},
		{"from elsewhere", here, func(r *auth.Request) { r.Remote = netip.MustParseAddr("192.0.2.8") }, auth.WrongAddress},
		{"from afar", far, nil, auth.WrongAddress},
		{"from nowhere", here, func(r *auth.Request) { r.Remote = netip.Addr{} }, auth.WrongAddress},
		{"from no address", plain + "&rk-ip=here", nil, auth.BadRequestSignature},
		{"from too many", plain + "&rk-ip=192.0.2.7/24", nil, auth.BadRequestSignature},
		{"for longer than is allowed", late, nil, auth.TooLong},
		{"signature alone", mac, nil, auth.BadRequestSignature},
		{"no signature", strings.TrimSuffix(plain, "&"+mac), nil, auth.BadRequestSignature},
		{"empty signature", strings.TrimSuffix(plain, mac) + "rk-signature=", nil, auth.BadRequestSignature},
		{"padded", plain + "=", nil, auth.BadSignature},
		{"signature twice", plain + "&" + mac, nil, auth.BadRequestSignature},
		{"key twice", plain + "&rk-key=web", nil, auth.BadRequestSignature},
		{"other case", strings.Replace(plain, "rk-key", "RK-key", 1), nil, auth.BadRequestSignature},
		{"no time", strings.Replace(plain, "1700003600", "soon", 1), nil, auth.BadRequestSignature},
		{"before all time", strings.Replace(plain, "1700003600", "-1", 1), nil, auth.BadRequestSignature},
		{"no expiry", strings.Replace(plain, "&rk-expires=1700003600", "", 1), nil, auth.BadRequestSignature},
		{"an escape that is none", plain + "&x=%zz", nil, auth.BadRequestSignature},
	} {
		r := urlRequest("o", c.query)
		if c.change != nil {
			c.change(r)
		}
		if why := refused(t, s, r); why != c.reason {
			t.Errorf("%s: refused for %q, want %q\n%s", c.name, why, c.reason, c.query)
		}
	}
	for at, want := range map[time.Time]string{hour.Add(-time.Second): "", hour: auth.Expired} {
		if why := refused(t, newSignedURLs(t, at), urlRequest("o", plain)); why != want {
			t.Errorf("at %v: %q, want %q", at, why, want)
		}
	}
	if who, _ := s.Identify(t.Context(), urlRequest("o", plain)); who.Scheme != "signed_url" || who.Subject != "web" {
		t.Errorf("%+v", who)
	}
}

// No byte of a signed URL can be moved from one part of it to another, and none be
// changed.
func TestNoOtherURLHasASignature(t *testing.T) {
	s := newSignedURLs(t, urlTime)
	query := signURL(t, webKey, auth.URLToSign{Bucket: "b", Name: "a/b", Query: "versionId=3&response-content-type=x", Expires: urlTime.Add(time.Hour)})
	for i := range len(query) {
		for _, other := range []byte("0aZ&=-%") {
			if other == query[i] {
				continue
			}
			changed := query[:i] + string(other) + query[i+1:]
			if why := refused(t, s, urlRequest("a/b", changed)); why == "" {
				t.Errorf("%s is accepted for %s", changed, query)
			}
		}
	}
	mac := "rk-signature=" + after(query, "rk-signature=")
	for _, c := range [][3]string{ // bucket, name, query before the signature
		{"b", "a", "versionId=3&response-content-type=x&rk-key=web&rk-expires=" + strconv.FormatInt(urlTime.Add(time.Hour).Unix(), 10) + "&"},
		{"ba/b", "versionId", "3=response-content-type&x=rk-key&web=rk-expires&rk-expires=1700003600&rk-key=web&"},
	} {
		r := urlRequest(c[1], c[2]+mac)
		r.Bucket = c[0]
		if why := refused(t, s, r); why == "" {
			t.Errorf("%v is accepted", c)
		}
	}
}

func TestWhatCannotBeSigned(t *testing.T) {
	for name, u := range map[string]auth.URLToSign{
		"no bucket":      {Name: "o"},
		"no object":      {Bucket: "b"},
		"a signed one":   {Bucket: "b", Name: "o", Query: "rk-key=web"},
		"no address":     {Bucket: "b", Name: "o", From: "here"},
		"broken escapes": {Bucket: "b", Name: "o", Query: "a=%zz"},
	} {
		if _, err := webKey.Sign(&u); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	for name, k := range map[string]auth.SignedURLKey{"no id": {Secret: []byte("s")}, "no secret": {ID: "i"}} {
		if _, err := k.Sign(&auth.URLToSign{Bucket: "b", Name: "o"}); err == nil {
			t.Errorf("%s: signed", name)
		}
		if _, err := auth.NewSignedURLs([]auth.SignedURLKey{k}, time.Hour, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := auth.NewSignedURLs([]auth.SignedURLKey{webKey, webKey}, time.Hour, nil); err == nil {
		t.Error("one id twice: accepted")
	}
}

// after is what follows the first of a mark.
func after(text, mark string) string {
	_, rest, _ := strings.Cut(text, mark)
	return rest
}
