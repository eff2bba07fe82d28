package auth

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
)

// Key is a key that an issuer signs with, as it is configured.
type Key struct {
	ID        string // "kid" of the tokens it is for; "" for tokens that name no other key
	Algorithm string // the one that it is for; "" for those of the issuer that it fits
	// Value is a secret as []byte, or a public key as ParsePublicKey returns it.
	Value any
}

// Check says what makes a key unfit for its algorithm.
func (k *Key) Check() error {
	_, err := newKey(*k, []string{k.Algorithm})
	return err
}

// ParsePublicKey reads the one PEM block of a public key (SubjectPublicKeyInfo, or
// RSA's own PKCS #1) or of a certificate, whose dates are not looked at. A private key
// is refused: it has no business on a node.
func ParsePublicKey(text []byte) (any, error) {
	block, rest := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it is no PEM file")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("it has more than one PEM block")
	}
	switch block.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return certificate.PublicKey, nil
	}
	return nil, fmt.Errorf("it holds a %s: want a PUBLIC KEY", block.Type)
}

// key is a Key made ready. Its algorithms are its issuer's that it fits and is for, so
// a token never chooses how a key is used.
type key struct {
	id         string
	value      any
	algorithms []*algorithm
	// gone is set when a set of keys no longer has it: what it has signed is not
	// believed any more, remembered or not.
	gone atomic.Bool
}

// newKey makes a key ready for an issuer that uses the named algorithms.
func newKey(k Key, names []string) (*key, error) {
	made := &key{id: k.ID, value: k.Value}
	reason := errors.New("the issuer does not use its algorithm " + k.Algorithm)
	for _, name := range names {
		if k.Algorithm != "" && k.Algorithm != name {
			continue
		}
		if err := algorithms[name].fits(k.Value); err != nil {
			reason = fmt.Errorf("not a key for %s: %w", name, err)
			continue
		}
		made.algorithms = append(made.algorithms, algorithms[name])
	}
	if len(made.algorithms) == 0 {
		return nil, reason
	}
	return made, nil
}

func (k *key) algorithm(name string) *algorithm {
	for _, a := range k.algorithms {
		if a.name == name {
			return a
		}
	}
	return nil
}

// same reports whether two keys are one: what the one has signed the other has.
func (k *key) same(other *key) bool {
	if k.id != other.id || !slices.Equal(k.algorithms, other.algorithms) {
		return false
	}
	if secret, ok := k.value.([]byte); ok {
		others, ok := other.value.([]byte)
		return ok && bytes.Equal(secret, others)
	}
	public, ok := k.value.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(other.value)
}

// candidates returns the keys that may have signed a token: those of its kid, or, if
// none has that, those without an id; and all of them for a token without one.
func candidates(keys []*key, t *jws) []*key {
	var named, unnamed []*key
	for _, k := range keys {
		switch {
		case k.gone.Load() || k.algorithm(t.algorithm) == nil:
		case t.kid == "" || k.id == t.kid:
			named = append(named, k)
		case k.id == "":
			unnamed = append(unnamed, k)
		}
	}
	if len(named) > 0 {
		return named
	}
	return unnamed
}
