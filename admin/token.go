package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// guard compares bearer tokens (RFC 6750 §2.1) in constant time. It compares
// their hashes, so that not even the length of the right token shows.
type guard struct {
	configured bool
	want       [sha256.Size]byte
}

func newGuard(token string) guard {
	return guard{configured: token != "", want: sha256.Sum256([]byte(token))}
}

func (g *guard) allows(token string) bool {
	got := sha256.Sum256([]byte(token))
	return g.configured && subtle.ConstantTimeCompare(got[:], g.want[:]) == 1
}

// admit answers the request itself, and returns false, unless it carries the
// admin token.
func (h *handler) admit(e *endpoint, w http.ResponseWriter, r *http.Request) bool {
	guard := h.Settings().guard
	if !guard.configured {
		writeError(w, http.StatusForbidden, codeNotConfigured,
			"the admin API is closed: no token is configured; set admin.token in the node's configuration and send it as \"Authorization: Bearer <token>\"")
		return false
	}
	token, ok := bearer(r.Header)
	if !ok && e.basic {
		token, ok = password(r)
	}
	if !ok {
		e.challenge(w, "")
		writeError(w, http.StatusUnauthorized, codeUnauthorized, "send the admin token as \"Authorization: Bearer <token>\"")
		return false
	}
	if !guard.allows(token) {
		h.Log.Warn("admin token refused", "path", r.URL.Path, "remote", r.RemoteAddr)
		e.challenge(w, `, error="invalid_token"`)
		writeError(w, http.StatusUnauthorized, codeUnauthorized, "this is not the node's admin token")
		return false
	}
	return true
}

// challenge says how to authenticate. SNS has its password in the URL that it was
// given, and sends it only when it has been asked for Basic with a realm.
func (e *endpoint) challenge(w http.ResponseWriter, problem string) {
	if e.basic {
		w.Header().Add("WWW-Authenticate", `Basic realm="rookery admin"`)
	}
	w.Header().Add("WWW-Authenticate", `Bearer realm="rookery admin"`+problem)
}

// bearer returns the token of the one Authorization header. The scheme's case
// does not matter (RFC 9110 §11.1).
func bearer(header http.Header) (string, bool) {
	values := header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	token = strings.Trim(token, " ")
	return token, ok && token != "" && strings.EqualFold(scheme, "Bearer")
}

// password returns the password of the one Authorization header, whoever the user
// is (RFC 7617).
func password(r *http.Request) (string, bool) {
	_, password, ok := r.BasicAuth()
	return password, ok && password != "" && len(r.Header.Values("Authorization")) == 1
}
