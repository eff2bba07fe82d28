package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// MaxTokenBytes bounds a token. Headers of 8 KiB are what most servers take.
const MaxTokenBytes = 16 << 10

// jws is a token in compact serialization (RFC 7515 §7.1) taken apart, and nothing of
// it believed yet.
type jws struct {
	algorithm, kid string
	signed         string // what the signature is over
	payload        []byte
	signature      []byte
}

// base64url decodes strictly: of the encodings of the same bytes one alone is taken.
var base64url = base64.RawURLEncoding.Strict()

// parseJWS takes a token apart. Of its header it reads alg and kid alone; keys and
// addresses of keys that a token brings (jwk, jku, x5c, x5u) are never looked at. A
// header that says it must be understood (crit, RFC 7515 §4.1.11) is refused: no
// extension is.
func parseJWS(token string) (*jws, error) {
	if len(token) > MaxTokenBytes {
		return nil, fmt.Errorf("it has more than %d bytes", MaxTokenBytes)
	}
	if strings.ContainsAny(token, "\r\n") { // which base64 passes over
		return nil, errors.New("it has line breaks")
	}
	head, rest, ok := strings.Cut(token, ".")
	body, signature, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || strings.Contains(signature, ".") {
		return nil, errors.New("it has not three parts")
	}
	t := &jws{signed: token[:len(head)+1+len(body)]}
	text, err := base64url.DecodeString(head)
	if err != nil {
		return nil, errors.New("its header is not base64url")
	}
	if t.payload, err = base64url.DecodeString(body); err != nil {
		return nil, errors.New("its payload is not base64url")
	}
	if t.signature, err = base64url.DecodeString(signature); err != nil {
		return nil, errors.New("its signature is not base64url")
	}
	header, err := parseObject(text)
	if err != nil {
		return nil, fmt.Errorf("its header: %w", err)
	}
	return t, t.readHeader(header)
}

func (t *jws) readHeader(header map[string]any) error {
	var ok bool
	if t.algorithm, ok = header["alg"].(string); !ok {
		return errors.New("its header has no alg")
	}
	if kid, there := header["kid"]; there {
		if t.kid, ok = kid.(string); !ok || t.kid == "" {
			return errors.New("its kid is no text")
		}
	}
	for _, name := range []string{"crit", "b64"} {
		if _, there := header[name]; there {
			return fmt.Errorf("its header has %s", name)
		}
	}
	return nil
}

// parseObject reads one JSON object in UTF-8 and nothing behind it, numbers as
// json.Number. A name that comes twice in any object is refused: readers differ in
// which they take (RFC 8259 §4).
func parseObject(text []byte) (map[string]any, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	if err := checkNames(text); err != nil {
		return nil, err
	}
	var object map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&object); err != nil || object == nil {
		return nil, errors.New("not a JSON object")
	}
	return object, nil
}

// checkNames walks through JSON and refuses a name that one object has twice, and a
// second value.
func checkNames(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var in nesting
	for first := true; ; first = false {
		token, err := decoder.Token()
		over := !first && len(in) == 0
		if over && errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil || over {
			return errors.New("not one JSON value")
		}
		if !in.take(token) {
			return errors.New("a name is there twice")
		}
	}
}

// nesting are the objects and arrays that are open, the innermost last.
type nesting []level

type level struct {
	names map[string]bool // nil in an array
	named bool            // a name was the last, so a value comes next
}

// take goes on by one token of well-formed JSON. It returns false for a name that its
// object has already.
func (n *nesting) take(token json.Token) bool {
	if token == json.Delim('}') || token == json.Delim(']') {
		*n = (*n)[:len(*n)-1]
		return true
	}
	if len(*n) > 0 {
		in := &(*n)[len(*n)-1]
		if in.names != nil && !in.named {
			name := token.(string) // nothing else is before a colon
			again := in.names[name]
			in.names[name], in.named = true, true
			return !again
		}
		in.named = false
	}
	switch token {
	case json.Delim('{'):
		*n = append(*n, level{names: map[string]bool{}})
	case json.Delim('['):
		*n = append(*n, level{})
	}
	return true
}
