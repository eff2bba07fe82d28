package config

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// scalar is one value after substitution.
type scalar struct {
	text   string
	source string // as the file has it: a substituted value may be a secret
	node   ast.Node
	filled bool // something was substituted: its type is what its text says
}

// scalar reads a key's value. It reports and returns false for a value that is
// no scalar, is null or empty, or refers to an unset name.
func (s *section) scalar(key, want string) (scalar, bool) {
	f, ok := s.take(key)
	if !ok {
		return scalar{}, false
	}
	n := s.doc.resolve(f.value)
	if n == nil {
		return scalar{}, false
	}
	v, problem := s.doc.readScalar(n, want)
	if problem != "" {
		s.fail(key, "%s", problem)
		return scalar{}, false
	}
	return v, true
}

// readScalar returns the value of a resolved node, or what is wrong with it.
func (d *document) readScalar(n ast.Node, want string) (v scalar, problem string) {
	var source string
	switch n := n.(type) {
	case *ast.StringNode:
		source = showReferences(n.Value)
	case *ast.LiteralNode:
		source = showReferences(n.Value.Value)
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		source = n.GetToken().Value
	case *ast.NullNode:
		return v, "has no value: give it one or leave the key out"
	default:
		return v, "want " + want + ", got " + kindOf(n)
	}
	text, err := substitute(source, d.getenv)
	if err != nil {
		return v, err.Error()
	}
	if strings.TrimSpace(text) == "" {
		return v, "is empty: give it a value or leave the key out"
	}
	return scalar{text: text, source: source, node: n, filled: strings.Contains(source, "${")}, ""
}

// isText reports whether the value is text for YAML, quoted or not.
func (v scalar) isText() bool {
	switch v.node.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		return true
	}
	return v.filled
}

// number returns the text of a value that is a number for YAML or came from the
// environment.
func (v scalar) number() (string, bool) {
	if v.filled {
		return strings.TrimSpace(v.text), true
	}
	return v.text, !v.isText()
}

// text reads text. A number or a truth value must be quoted to be text, so that
// 0123 and no are never misread.
func (s *section) text(key string, to *string) bool {
	v, ok := s.scalar(key, "text")
	if !ok {
		return false
	}
	text, problem := v.asText()
	if problem != "" {
		s.fail(key, "%s", problem)
		return false
	}
	*to = text
	return true
}

func (v scalar) asText() (text, problem string) {
	if !v.isText() {
		return "", "want text, got " + kindOf(v.node) + ": put it in quotes"
	}
	if strings.ContainsFunc(v.text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", "contains a line break or another control character"
	}
	return v.text, ""
}

// texts reads a list of texts and tells where each stands.
func (s *section) texts(key string) (all []string, at []position) {
	for _, n := range s.items(key) {
		here := place(n)
		n = s.doc.resolve(n)
		if n == nil {
			continue
		}
		v, problem := s.doc.readScalar(n, "text")
		var text string
		if problem == "" {
			text, problem = v.asText()
		}
		if problem != "" {
			s.doc.fail(here, "%s: %s", s.key(key), problem)
			continue
		}
		all, at = append(all, text), append(at, here)
	}
	return all, at
}

// secret reads text that must not be shown. The mask is refused: it comes from
// the printed configuration of another node and is no secret.
func (s *section) secret(key string, to *Secret) bool {
	var text string
	if !s.text(key, &text) {
		return false
	}
	if text == mask {
		s.fail(key, "%s is the mask of a printed configuration: put the secret itself", mask)
		return false
	}
	*to = Secret(text)
	return true
}

// boolean reads true or false.
func (s *section) boolean(key string, to *bool) bool {
	v, ok := s.scalar(key, "true or false")
	if !ok {
		return false
	}
	_, isBool := v.node.(*ast.BoolNode)
	if isBool || v.filled {
		switch strings.ToLower(strings.TrimSpace(v.text)) {
		case "true":
			*to = true
			return true
		case "false":
			*to = false
			return true
		}
	}
	s.fail(key, "want true or false, got %q", v.source)
	return false
}

// integer reads a whole number between lowest and highest.
func (s *section) integer(key string, to *int, lowest, highest int) bool {
	v, ok := s.scalar(key, "a whole number")
	if !ok {
		return false
	}
	text, isNumber := v.number()
	n, err := strconv.Atoi(text)
	if !isNumber || err != nil {
		s.fail(key, "want a whole number, got %q", v.source)
		return false
	}
	if n < lowest || n > highest {
		s.fail(key, "%s is out of range: want %d to %d", v.source, lowest, highest)
		return false
	}
	*to = n
	return true
}

// price reads a number that is not negative.
func (s *section) price(key string, to *float64) bool {
	v, ok := s.scalar(key, "a number")
	if !ok {
		return false
	}
	text, isNumber := v.number()
	n, err := strconv.ParseFloat(text, 64)
	if !isNumber || err != nil || n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
		s.fail(key, "want a number that is not negative, got %q", v.source)
		return false
	}
	*to = n
	return true
}

// size reads bytes, 64MiB, 50GB.
func (s *section) size(key string, to *int64, lowest int64) bool {
	v, ok := s.scalar(key, "a size such as 64MiB")
	if !ok {
		return false
	}
	n, err := parseSize(strings.TrimSpace(v.text))
	if err != nil {
		s.fail(key, "%q: %s", v.source, err)
		return false
	}
	if n < lowest {
		s.fail(key, "%s is too small: want at least %s", v.source, formatSize(lowest))
		return false
	}
	*to = n
	return true
}

// duration reads 30s, 5m, 24h.
func (s *section) duration(key string, to *time.Duration, lowest, highest time.Duration) bool {
	v, ok := s.scalar(key, "a duration such as 30s")
	if !ok {
		return false
	}
	d, err := time.ParseDuration(strings.TrimSpace(v.text))
	if err != nil {
		s.fail(key, "want a duration with its unit, such as 30s, 5m or 24h, got %q", v.source)
		return false
	}
	if d < lowest || d > highest {
		s.fail(key, "%s is out of range: want %s to %s", v.source, formatDuration(lowest), formatDuration(highest))
		return false
	}
	*to = d
	return true
}

// choice reads one of a few words.
func (s *section) choice(key string, words ...string) (string, bool) {
	var word string
	if !s.text(key, &word) {
		return "", false
	}
	if !slices.Contains(words, word) {
		s.fail(key, "want one of %s, got %q", strings.Join(words, ", "), word)
		return "", false
	}
	return word, true
}
