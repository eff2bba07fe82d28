package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
)

// parseSet reads a JSON Web Key Set (RFC 7517 §5) and returns those keys that an
// issuer with the named algorithms may have signed with. Keys of other kinds and for
// other uses are passed over, weak and broken ones too. A set that publishes a secret
// or a private key, or has one id for two keys, is refused as a whole.
func parseSet(text []byte, names []string) ([]*key, error) {
	object, err := parseObject(text)
	if err != nil {
		return nil, fmt.Errorf("the set is %w", err)
	}
	if _, ok := object["keys"].([]any); !ok {
		return nil, errors.New("the set has no keys")
	}
	var set jwkset.JWKSMarshal
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("the set has keys that are none")
	}
	if len(set.Keys) > maxSetKeys {
		return nil, fmt.Errorf("the set has more than %d keys", maxSetKeys)
	}
	var keys []*key
	ids := map[string]bool{}
	for _, published := range set.Keys {
		if published.KTY == jwkset.KtyOct || published.K != "" || published.D != "" {
			return nil, errors.New("the set publishes a secret or a private key")
		}
		k := publishedKey(published, names)
		if k == nil {
			continue
		}
		if k.id != "" && ids[k.id] {
			return nil, fmt.Errorf("the set has two keys with the id %q", k.id)
		}
		ids[k.id] = true
		keys = append(keys, k)
	}
	return keys, nil
}

// publishedKey returns nil for a key that cannot be used. Certificates beside a key
// are not looked at, nor fetched.
func publishedKey(m jwkset.JWKMarshal, names []string) *key {
	verifies := len(m.KEYOPS) == 0 || slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify)
	if m.USE != "" && m.USE != jwkset.UseSig || !verifies {
		return nil
	}
	m.X5U, m.X5C, m.X5T, m.X5TS256 = "", nil, "", ""
	jwk, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return nil
	}
	k, err := newKey(Key{ID: m.KID, Algorithm: string(m.ALG), Value: jwk.Key()}, names)
	if err != nil {
		return nil
	}
	return k
}
