package config

import (
	"regexp"

	"github.com/goccy/go-yaml"
)

// SigV4Key is a pair of credentials with which clients sign requests of a bucket.
type SigV4Key struct {
	AccessKey string // unique in its bucket
	SecretKey Secret
	Subject   string // who holds it; the access key unless told
}

// accessKeyID has no character that means something within a credential, and is no
// longer than those of AWS.
var accessKeyID = regexp.MustCompile(`^[A-Za-z0-9._+@-]{3,128}$`)

// leastSecret is how short a secret may be that whoever sees a signed request can
// guess at for as long as they like.
const leastSecret = 16

func readSigV4(s *section, a *BucketAuth) {
	sections, _ := s.list("keys")
	if s.given {
		s.missing("keys")
	}
	for _, keys := range sections {
		k := SigV4Key{}
		readSigV4Key(keys, &k)
		for i := range a.SigV4 {
			if a.SigV4[i].AccessKey == k.AccessKey && k.AccessKey != "" {
				keys.fail("access_key", "%s is there twice", k.AccessKey)
			}
		}
		a.SigV4 = append(a.SigV4, k)
	}
}

func readSigV4Key(s *section, k *SigV4Key) {
	switch {
	case !s.text("access_key", &k.AccessKey):
		s.missing("access_key")
	case !accessKeyID.MatchString(k.AccessKey):
		s.fail("access_key", "want 3 to 128 letters, digits, dots, dashes, underscores, + or @")
	}
	readSigningSecret(s, "secret_key", leastSecret, &k.SecretKey)
	k.Subject = k.AccessKey
	s.text("subject", &k.Subject)
}

// readSigningSecret reads a secret that must be there and be hard to guess.
func readSigningSecret(s *section, key string, least int, to *Secret) {
	switch {
	case !s.secret(key, to):
		s.missing(key)
	case len(*to) < least:
		s.fail(key, "want %d characters or more: openssl rand -hex 32", least)
	}
}

func effectiveSigV4(keys []SigV4Key) yaml.MapSlice {
	all := make([]yaml.MapSlice, len(keys))
	for i, k := range keys {
		all[i] = yaml.MapSlice{
			{Key: "access_key", Value: k.AccessKey},
			{Key: "secret_key", Value: masked(k.SecretKey)},
			{Key: "subject", Value: escape(k.Subject)},
		}
	}
	return yaml.MapSlice{{Key: "keys", Value: all}}
}
