package run_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"rookery/cmd/run"
	"rookery/config"
)

// TestOperatorsTokens: who has the claims of an operator is one at the admin listener; a
// reader's token, and one that has expired, is not, and without claims configured none is.
func TestOperatorsTokens(t *testing.T) {
	signed := func(claims jwt.MapClaims) string {
		text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(tokenSecret))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	soon, ago := time.Now().Add(time.Hour).Unix(), time.Now().Add(-time.Hour).Unix()
	operator, reader := signed(jwt.MapClaims{"sub": "ann", "role": "admin", "exp": soon}), signed(jwt.MapClaims{"sub": "bob", "role": "reader", "exp": soon})
	late := signed(jwt.MapClaims{"sub": "ann", "role": "admin", "exp": ago})
	const section = "{enabled: true, algorithm: HS256, secret: " + tokenSecret
	for claims, want := range map[string]map[string]int{
		", admin_claims: [{claim: role, operator: equals, value: admin}]}": {operator: 200, reader: 401, late: 401, token: 401, "": 401},
		"}": {operator: 403, reader: 403, token: 403, "": 403},
	} {
		tokens := guarded(t, section+claims, "{enabled: true, jwt: {}}")
		c := newCluster(t, 1, func(cfg *config.Config, o *run.Options) {
			alone(cfg, o)
			tokens(cfg, o)
			cfg.Admin.Token = ""
		})
		for token, status := range want {
			u, err := url.Parse("http://" + c.nodes[0].AdminAddr().String() + "/admin/cluster")
			if err != nil {
				t.Fatal(err)
			}
			header := http.Header{}
			if token != "" {
				header.Set("Authorization", "Bearer "+token)
			}
			if answer, text := c.do(0, http.MethodGet, u, header); answer.StatusCode != status {
				t.Errorf("jwt%s: %q: %d %s, want %d", claims, token, answer.StatusCode, text, status)
			}
		}
	}
}
