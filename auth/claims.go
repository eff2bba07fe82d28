package auth

import "context"

// BadClaims is the reason of who has proved who they are, and may not do this.
const BadClaims = "claims"

// Claims is the rule of who came by a token: they must meet all its conditions. Who
// came by another scheme is not its business.
type Claims []Condition

// Allow refuses unless all conditions are surely met.
func (c Claims) Allow(_ context.Context, r *Request, who *Identity) error {
	if who.Scheme != schemeJWT || All(c).judge(r, who.Claims) == met {
		return nil
	}
	return &Denied{Reason: BadClaims}
}

// Operators are those whose tokens meet conditions for operators: what stands behind
// the admin API beside its own token. Safe for concurrent use.
type Operators struct {
	tokens *JWT
	claims Claims
}

// NewOperators returns nil, which admits nobody, without conditions: no token is an
// operator's by default.
func NewOperators(tokens *JWT, claims []Condition) *Operators {
	if tokens == nil || len(claims) == 0 {
		return nil
	}
	return &Operators{tokens, claims}
}

// Admit returns whose bearer token it is if it holds and is an operator's, and else a
// *Denied, whose reason is for the log alone. Conditions on paths have nothing to
// look at here, and are not met. A nil Operators refuses every token.
func (o *Operators) Admit(ctx context.Context, token string) (*Identity, error) {
	if o == nil {
		return nil, &Denied{Reason: NoCredentials}
	}
	who, err := o.tokens.Verify(ctx, token)
	if err != nil {
		return nil, denied(err)
	}
	if err := o.claims.Allow(ctx, &Request{Action: Read}, who); err != nil {
		return nil, err
	}
	return who, nil
}
