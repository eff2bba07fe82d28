package config

import (
	"bytes"
	"strings"
)

// What stands in for characters of scalars while YAML is parsed. Unicode keeps
// these noncharacters for a program's own use; they are one column wide, as what
// they stand for, so positions stay right.
const (
	hiddenOpen  = "\ufdd0" // the { of a reference
	hiddenClose = "\ufdd1" // the } of a reference
	hiddenColon = "\ufdd2" // a colon within a plain scalar
	hidden      = hiddenOpen + hiddenClose + hiddenColon
)

// protect hides from the YAML parser what it would take for structure inside a
// flow mapping: the braces of {token: ${TOKEN}}, which YAML itself would refuse,
// and the colon of {join: [host:7946]}, which by YAML 1.2 §7.3.3 is part of the
// scalar and for the parser is a key. reveal undoes it, scalar by scalar.
func protect(text []byte) []byte {
	text = reference.ReplaceAllFunc(text, func(ref []byte) []byte {
		inner := ref[len("${") : len(ref)-1]
		return []byte("$" + hiddenOpen + string(inner) + hiddenClose)
	})
	out := make([]byte, 0, len(text))
	for i, c := range text {
		if c == ':' && isInner(text, i) {
			out = append(out, hiddenColon...)
			continue
		}
		out = append(out, c)
	}
	return out
}

// isInner reports whether the colon at i stands within a word, where it ends no
// key. After a quote it does: {"key":value}.
func isInner(text []byte, i int) bool {
	const space, flow, quotes = " \t\r\n", ",[]{}", `"'`
	return i > 0 && i+1 < len(text) &&
		bytes.IndexByte([]byte(space+flow+quotes), text[i-1]) < 0 &&
		bytes.IndexByte([]byte(space+flow), text[i+1]) < 0
}

func reveal(text string) string {
	return strings.NewReplacer(hiddenOpen, "{", hiddenClose, "}", hiddenColon, ":").Replace(text)
}
