package auth_test

import (
	"testing"

	"rookery/auth"
)

// A token is an operator's if it holds and meets conditions for operators, and never
// where there are none.
func TestOperators(t *testing.T) {
	tokens := newJWT(t, auth.JWTOptions{Issuers: []auth.Issuer{issuer("", "HS256")}})
	admin := []auth.Condition{newClaim(t, []string{"role"}, "equals", "admin"), newClaim(t, []string{"level"}, "gte", int64(3))}
	is := sign(t, "HS256", "", claims("role", "admin", "level", 3))
	isNot := sign(t, "HS256", "", claims("role", "admin", "level", 2))
	late := sign(t, "HS256", "", claims("role", "admin", "level", 3, "exp", noon.Unix()))
	for _, c := range []struct {
		name      string
		operators *auth.Operators
		token     string
		reason    string
	}{
		{"one", auth.NewOperators(tokens, admin), is, ""},
		{"one again", auth.NewOperators(tokens, admin), is, ""},
		{"not one", auth.NewOperators(tokens, admin), isNot, auth.BadClaims},
		{"one no more", auth.NewOperators(tokens, admin), late, auth.Expired},
		{"something else", auth.NewOperators(tokens, admin), "the admin token", auth.Malformed},
		{"nothing", auth.NewOperators(tokens, admin), "", auth.Malformed},
		{"without conditions", auth.NewOperators(tokens, nil), is, auth.NoCredentials},
		{"without tokens", auth.NewOperators(nil, admin), is, auth.NoCredentials},
		{"without all", nil, is, auth.NoCredentials},
	} {
		who, err := c.operators.Admit(t.Context(), c.token)
		if reasonOf(t, err) != c.reason || (err == nil) != (who != nil && who.Subject == "7") {
			t.Errorf("%s: %+v, %v, want %q", c.name, who, err, c.reason)
		}
	}
}
