package config

import (
	"regexp"
	"time"

	"github.com/goccy/go-yaml"
)

// SignedURLs are Rookery's own signed URLs, as a bucket takes them.
type SignedURLs struct {
	Keys      []SignedURLKey // none: they are not taken
	MaxExpiry time.Duration  // none is good for longer from now on
}

// SignedURLKey makes and verifies signed URLs.
type SignedURLKey struct {
	ID     string // unique in its bucket
	Secret Secret
}

// keyID needs no encoding in a query.
var keyID = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,64}$`)

// leastURLSecret is how short a secret may be that everybody who has a URL can guess at.
const leastURLSecret = 32

func readSignedURLs(s *section, u *SignedURLs) {
	if !s.given {
		return
	}
	u.MaxExpiry = 24 * time.Hour
	s.missing("keys")
	sections, _ := s.list("keys")
	s.duration("max_expiry", &u.MaxExpiry, time.Second, longest)
	for _, keys := range sections {
		k := SignedURLKey{}
		switch {
		case !keys.text("id", &k.ID):
			keys.missing("id")
		case !keyID.MatchString(k.ID):
			keys.fail("id", "want 1 to 64 letters, digits, dots, dashes, underscores or tildes")
		}
		readSigningSecret(keys, "secret", leastURLSecret, &k.Secret)
		for i := range u.Keys {
			if u.Keys[i].ID == k.ID && k.ID != "" {
				keys.fail("id", "%s is there twice", k.ID)
			}
		}
		u.Keys = append(u.Keys, k)
	}
}

func effectiveSignedURLs(u *SignedURLs) yaml.MapSlice {
	all := make([]yaml.MapSlice, len(u.Keys))
	for i, k := range u.Keys {
		all[i] = yaml.MapSlice{{Key: "id", Value: k.ID}, {Key: "secret", Value: masked(k.Secret)}}
	}
	return yaml.MapSlice{{Key: "keys", Value: all}, {Key: "max_expiry", Value: formatDuration(u.MaxExpiry)}}
}
