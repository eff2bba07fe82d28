package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"math"

	"github.com/golang-jwt/jwt/v5"
)

// minRSABits is what RFC 7518 §3.3 and §3.5 ask of an RSA key.
const minRSABits = 2048

// algorithm is a signature algorithm of RFC 7518 or RFC 8037, and which keys may be
// used with it.
type algorithm struct {
	name   string
	method jwt.SigningMethod
	fits   func(key any) error
}

// algorithms are all that there are. "none" is not among them, and never registered.
var algorithms = map[string]*algorithm{
	"HS256": {"HS256", jwt.SigningMethodHS256, secretOf(32)},
	"HS384": {"HS384", jwt.SigningMethodHS384, secretOf(48)},
	"HS512": {"HS512", jwt.SigningMethodHS512, secretOf(64)},
	"RS256": {"RS256", jwt.SigningMethodRS256, rsaKey},
	"RS384": {"RS384", jwt.SigningMethodRS384, rsaKey},
	"RS512": {"RS512", jwt.SigningMethodRS512, rsaKey},
	"PS256": {"PS256", strictPSS(jwt.SigningMethodPS256), rsaKey},
	"PS384": {"PS384", strictPSS(jwt.SigningMethodPS384), rsaKey},
	"PS512": {"PS512", strictPSS(jwt.SigningMethodPS512), rsaKey},
	"ES256": {"ES256", jwt.SigningMethodES256, ecdsaKey("P-256")},
	"ES384": {"ES384", jwt.SigningMethodES384, ecdsaKey("P-384")},
	"ES512": {"ES512", jwt.SigningMethodES512, ecdsaKey("P-521")},
	"EdDSA": {"EdDSA", jwt.SigningMethodEdDSA, ed25519Key},
}

// strictPSS has the salt as long as the hash, as RFC 7518 §3.5 demands and the library
// does not.
func strictPSS(m *jwt.SigningMethodRSAPSS) *jwt.SigningMethodRSAPSS {
	return &jwt.SigningMethodRSAPSS{SigningMethodRSA: m.SigningMethodRSA, Options: m.Options}
}

// secretOf: a secret is at least as long as the hash (RFC 7518 §3.2).
func secretOf(minBytes int) func(any) error {
	return func(key any) error {
		secret, ok := key.([]byte)
		if !ok {
			return fmt.Errorf("it is no secret")
		}
		if len(secret) < minBytes {
			return fmt.Errorf("it has %d bytes, fewer than %d", len(secret), minBytes)
		}
		return nil
	}
}

func rsaKey(key any) error {
	public, ok := key.(*rsa.PublicKey)
	switch {
	case !ok:
		return fmt.Errorf("it is no RSA key")
	case public.N.BitLen() < minRSABits:
		return fmt.Errorf("it is an RSA key of %d bits, fewer than %d", public.N.BitLen(), minRSABits)
	case public.E < 3 || public.E%2 == 0 || public.E > math.MaxInt32:
		return fmt.Errorf("it is an RSA key with the exponent %d", public.E)
	case isROCA(public.N):
		return fmt.Errorf("it is an RSA key that can be factored (CVE-2017-15361)")
	}
	return nil
}

func ecdsaKey(curve string) func(any) error {
	return func(key any) error {
		if public, ok := key.(*ecdsa.PublicKey); !ok || public.Curve.Params().Name != curve {
			return fmt.Errorf("it is no key on the curve %s", curve)
		}
		return nil
	}
}

func ed25519Key(key any) error {
	if public, ok := key.(ed25519.PublicKey); !ok || len(public) != ed25519.PublicKeySize {
		return fmt.Errorf("it is no Ed25519 key")
	}
	return nil
}
