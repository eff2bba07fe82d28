package auth

import (
	"encoding/json"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/MicahParks/jwkset"
	"github.com/c2sp/wycheproof"
)

// vectors is a file of Project Wycheproof's for JSON Web Signatures.
type vectors struct {
	TestGroups []struct {
		Comment         string
		Private, Public json.RawMessage
		Tests           []struct {
			TcID    int             `json:"tcId"`
			Comment string          `json:"comment"`
			JWS     json.RawMessage `json:"jws"`
			Result  string          `json:"result"`
			Flags   []string        `json:"flags"`
		}
	}
}

// passedOver are vectors of the signature file that are judged otherwise here, each for
// a reason.
var passedOver = map[int]string{
	346: "the key says that it is for PS256, and the token is PS384", 350: "likewise",
	347: "the key says that it is for ES521, which is no algorithm", 351: "likewise",
	367: "byte for byte the token of 357, which is valid: no padding is left in it", 370: "likewise",
	372: "a ? within base64url, which is not skipped", 373: "likewise",
}

// What Project Wycheproof calls invalid is not accepted, and what it calls valid is.
// Its payloads are no claims: it is signatures and keys that are tried.
func TestWycheproof(t *testing.T) {
	for file, want := range map[string]int{"json_web_signature_test.json": 401, "json_web_key_test.json": 26, "json_web_crypto_test.json": 49} {
		text, err := fs.ReadFile(wycheproof.TestVectors, file)
		if err != nil {
			t.Fatal(err)
		}
		var all vectors
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
		tried, accepted := 0, 0
		for _, group := range all.TestGroups {
			if strings.HasPrefix(group.Comment, "jwe") {
				continue // encryption
			}
			keys := group.Public
			if keys == nil {
				keys = group.Private
			}
			holder, err := wycheproofIssuer(t, keys)
			for _, v := range group.Tests {
				tried++
				ok := err == nil && isSigned(t, holder, v.JWS)
				if ok {
					accepted++
				}
				if otherwise := file == "json_web_signature_test.json" && passedOver[v.TcID] != ""; ok != (v.Result == "valid") != otherwise {
					t.Errorf("%s: %s: %d %s %v: accepted %v, want %s (%v)", file, group.Comment, v.TcID, v.Comment, v.Flags, ok, v.Result, err)
				}
			}
		}
		if tried != want {
			t.Errorf("%s: %d vectors, want %d", file, tried, want)
		}
		t.Logf("%s: %d vectors, %d accepted", file, tried, accepted)
	}
}

func isSigned(t *testing.T, holder *issuer, raw json.RawMessage) bool {
	var token string
	if json.Unmarshal(raw, &token) != nil {
		token = string(raw) // JSON serialization
	}
	parsed, err := parseJWS(token)
	if err != nil {
		return false
	}
	_, err = holder.signer(t.Context(), parsed)
	return err == nil
}

// wycheproofIssuer holds the keys of a group as a node would: published ones by way of
// their set, secrets as they are configured.
func wycheproofIssuer(t *testing.T, raw json.RawMessage) (*issuer, error) {
	var set jwkset.JWKSMarshal
	if err := json.Unmarshal(raw, &set); err != nil || set.Keys == nil {
		set.Keys = make([]jwkset.JWKMarshal, 1)
		if err := json.Unmarshal(raw, &set.Keys[0]); err != nil {
			t.Fatal(err)
		}
		raw = json.RawMessage(`{"keys":[` + string(raw) + `]}`)
	}
	i := Issuer{}
	if !slices.ContainsFunc(set.Keys, func(k jwkset.JWKMarshal) bool { return k.KTY == jwkset.KtyOct }) {
		for name := range algorithms {
			if name[0] != 'H' {
				i.Algorithms = append(i.Algorithms, name)
			}
		}
		keys, err := parseSet(raw, i.Algorithms)
		return &issuer{Issuer: i, keys: keys}, err
	}
	for _, k := range set.Keys {
		jwk, err := jwkset.NewJWKFromMarshal(k, jwkset.JWKMarshalOptions{Private: true}, jwkset.JWKValidateOptions{})
		if err != nil {
			return nil, err
		}
		if !slices.Contains(i.Algorithms, string(k.ALG)) {
			i.Algorithms = append(i.Algorithms, string(k.ALG))
		}
		i.Keys = append(i.Keys, Key{ID: k.KID, Algorithm: string(k.ALG), Value: jwk.Key()})
	}
	return i.ready(&JWTOptions{})
}
