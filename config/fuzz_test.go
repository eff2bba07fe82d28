package config

import (
	"encoding/base64"
	"errors"
	"reflect"
	"testing"
)

func encodeKey(key []byte) string { return base64.StdEncoding.EncodeToString(key) }

// FuzzParse: no text makes Parse panic; what is refused is refused with a place,
// and what is accepted means the same when its effective form is read again.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"", smallest, everything, oldFile, "a: &a [*a]", "a: &a\n  b: *a", "? a\n: b", "- - -", "a: |\n  b", "a: >-\n b\n", "%YAML 1.2\n---\n",
		"node: {name: \"${A:-x}\"}", "\ufeffnode:\r\n  name: n\r\n", "[[[[", "{{{{", "!!", "&", "*", "a:\t1", "<<: *x", "'", "\"\\x", "# c",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, _, err := parse("f", []byte(text), everythingEnvironment(), thisHost)
		if err != nil {
			checkPlaces(t, err)
			return
		}
		again, _, err := parse("f", []byte(unmasked(t, c)), environment(), thisHost)
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("%v\ngot  %+v\nwant %+v\n%s", err, again, c, c.Effective())
		}
	})
}

func checkPlaces(t *testing.T, err error) {
	t.Helper()
	var all Errors
	if !errors.As(err, &all) || len(all) == 0 {
		t.Fatalf("not Errors: %v", err)
	}
	for _, one := range all {
		if one.Line < 1 || one.Column < 1 || one.Message == "" {
			t.Errorf("no place or no message: %+v", one)
		}
	}
}
