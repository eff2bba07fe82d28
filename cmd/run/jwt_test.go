package run_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"rookery/cmd/run"
	"rookery/config"
	"rookery/internal/s3test"
)

const tokenSecret = "0123456789abcdef0123456789abcdef"

// tokenOf makes a token of a subject that lives for a while.
func tokenOf(t *testing.T, subject string, life time.Duration) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": subject, "exp": time.Now().Add(life).Unix()}).SignedString([]byte(tokenSecret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// guarded gives every node the jwt and auth sections of a file.
func guarded(t *testing.T, jwtSection, authSection string) change {
	text := "jwt: " + jwtSection + "\nbuckets: [{name: b, s3: {bucket: o}, auth: " + authSection + "}]"
	file, _, err := config.Parse("test", []byte(text), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return func(c *config.Config, _ *run.Options) { c.JWT, c.Buckets[0].Auth = file.JWT, file.Buckets[0].Auth }
}

// guardedBeside gives every node a jwt section and a second bucket that wants tokens.
func guardedBeside(t *testing.T, jwtSection string) change {
	with := guarded(t, jwtSection, "{enabled: true}")
	return func(c *config.Config, o *run.Options) {
		c.Buckets = append(c.Buckets, c.Buckets[0])
		other := *c
		other.Buckets = c.Buckets[1:]
		with(&other, o)
		c.JWT, other.Buckets[0].Name, other.Buckets[0].PathPrefix = other.JWT, "guarded", "/guarded"
	}
}

// forbidden asks node i for a path, which it must not give.
func (c *testCluster) forbidden(i int, path string) {
	c.t.Helper()
	u := c.target(i, "")
	u.Path = path
	answer, err := c.send(c.t.Context(), i, http.MethodGet, u, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		c.t.Errorf("%s: %s", path, answer.Status)
	}
}

// Whoever asks any node, what a token does not allow is refused before S3, the disk or
// another node is asked; what it allows is a hit for the next one who may.
func TestTokensOpenWhatTheyMay(t *testing.T) {
	c := newCluster(t, 2, guarded(t, "{enabled: true, algorithm: HS256, secret: "+tokenSecret+", token_sources: [{type: bearer}, {type: query, name: token}]}",
		`{enabled: true, jwt: {claims: [{path: "/users/${sub}/**"}]}}`))
	o := c.put("users/7/o", 1000, s3test.Meta{})
	c.put("users/8/o", 1000, s3test.Meta{})
	right, late := tokenOf(t, "7", time.Hour), tokenOf(t, "7", -time.Hour)
	for _, q := range []struct {
		node             int
		key, token, more string
		status           int
	}{
		{0, "users/7/o", "", "", http.StatusForbidden},
		{0, "users/7/o", late, "", http.StatusForbidden},
		{0, "users/8/o", right, "", http.StatusForbidden},
		{0, "users/7/o", right, "", http.StatusOK},
		{1, "users/7/o", right, "", http.StatusOK},
		{1, "users/7/o", "", "token=" + right, http.StatusOK},
		{1, "users/7/o", right, "token=" + right, http.StatusForbidden},
		{1, "users/7/o", "", "", http.StatusForbidden},
		{1, "users/7/absent", "", "", http.StatusForbidden},
	} {
		u, header := c.target(q.node, q.key), http.Header{}
		u.RawQuery = q.more
		if q.token != "" {
			header.Set("Authorization", "Bearer "+q.token)
		}
		answer, err := c.send(t.Context(), q.node, http.MethodGet, u, header)
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != q.status {
			t.Errorf("%+v: status %d", q, answer.StatusCode)
		}
		if answer.StatusCode == http.StatusOK {
			_, err = o.CheckReader(answer.Body, 0, o.Size)
		}
		answer.Body.Close()
		if err != nil {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if all := c.s3.Requests(); len(all) != 1 || all[0].Key != "users/7/o" || strings.Contains(fmt.Sprint(all[0].Target, all[0].Header), "token") ||
		strings.Contains(fmt.Sprint(all[0].Target, all[0].Header), right) {
		t.Errorf("S3 was asked %+v", all)
	}
}
