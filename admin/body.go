package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"unicode/utf8"
)

// maxBodyBytes bounds what an operator sends: a thousand keys of the longest kind,
// with every byte escaped, are less.
const maxBodyBytes = 8 << 20

// fields are the members of a JSON object whose names have been read exactly. It
// is stricter than encoding/json, where a field in another case, given twice, or
// null silently becomes another request: what is meant for one object must never
// purge a bucket.
type fields map[string]json.RawMessage

// readFields reads a request's body, which must be one JSON object.
func readFields(w http.ResponseWriter, r *http.Request) (fields, error) {
	body, err := readBody(w, r)
	switch {
	case err != nil:
		return nil, err
	case halfPair(body):
		return nil, errors.New("half of a surrogate pair (\\ud800 to \\udfff) in a text: it stands for no character")
	}
	return parseFields(body)
}

// halfPair reports whether an escape in JSON is one half of a surrogate pair without the
// other. json would put U+FFFD for it, and so make another key of a name that the sender
// could not read as UTF-8 (Python writes such names so).
func halfPair(body []byte) bool {
	high := false // the last escape wants its other half
	for rest := body; ; {
		before, after, found := bytes.Cut(rest, []byte{'\\'})
		if high && (len(before) > 0 || !found) {
			return true
		}
		if !found || len(after) == 0 {
			return false
		}
		unit, isUnit := codeUnit(after)
		switch low := isUnit && unit>>10 == 0xdc00>>10; {
		case high != low:
			return true
		case !isUnit:
			rest = after[1:]
			continue
		}
		high = unit>>10 == 0xd800>>10
		rest = after[5:]
	}
}

// codeUnit reads what follows the backslash of an escape in JSON, if it is one of four digits.
func codeUnit(escape []byte) (unit uint64, ok bool) {
	if len(escape) < 5 || escape[0] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(escape[1:5]), 16, 16)
	return unit, err == nil
}

// readBody reads the whole body, of at most maxBodyBytes, which must be UTF-8: json
// would put U+FFFD for what is not, and so make another key of it.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the body: %w", err)
	case !utf8.Valid(body):
		return nil, errors.New("the body is not UTF-8")
	}
	return body, nil
}

func parseFields(body []byte) (fields, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, errors.New("the body must be a JSON object")
	}
	f := make(fields)
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, malformed(err)
		}
		name := token.(string) // within an object, before a value: nothing else is one
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, malformed(err)
		}
		if _, twice := f[name]; twice {
			return nil, fmt.Errorf("%q is given twice", name)
		}
		f[name] = value
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return nil, malformed(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return f, nil
}

func malformed(err error) error { return fmt.Errorf("malformed JSON: %w", err) }

// read decodes a field into to, if it is there, and takes it out.
func (f fields) read(name string, to any) error {
	value, ok := f[name]
	if !ok {
		return nil
	}
	delete(f, name)
	if string(value) == "null" {
		return fmt.Errorf("%q is null: leave it out or give it a value", name)
	}
	if err := json.Unmarshal(value, to); err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	return nil
}

// unknown reports the fields that nobody read.
func (f fields) unknown() error {
	for name := range f {
		return fmt.Errorf("unknown field %q", name)
	}
	return nil
}

// noBody makes sure that nothing was sent which would be left unread.
func noBody(r *http.Request) error {
	n, err := io.ReadFull(r.Body, make([]byte, 1))
	switch {
	case n > 0:
		return errors.New("this path takes no body")
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("read the body: %w", err)
	}
	return nil
}

func noQuery(r *http.Request) error {
	if r.URL.RawQuery != "" {
		return errors.New("this path takes no query")
	}
	return nil
}

// badRequest answers for a request that cannot be understood.
func badRequest(w http.ResponseWriter, err error) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		writeError(w, http.StatusRequestEntityTooLarge, codeTooLarge, err.Error())
		return
	}
	writeError(w, http.StatusBadRequest, codeBadRequest, err.Error())
}
