package demo

import (
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// tokenSecret is no secret: the demo listens on loopback alone, and prints its token.
const tokenSecret = "the demo's own secret, for HS256 tokens"

// tokenLife is longer than a demo is looked at.
const tokenLife = 30 * 24 * time.Hour

// tokenOf makes a token of a subject.
func tokenOf(subject string) (string, error) {
	claims := jwt.MapClaims{"sub": subject, "exp": time.Now().Add(tokenLife).Unix()}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(tokenSecret))
}
