package config

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
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
		source = reveal(n.Value)
	case *ast.LiteralNode:
		source = reveal(n.Value.Value)
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

// number returns the text of a value that may be a number: one without quotes,
// or from the environment.
func (v scalar) number() (text string, ok bool) {
	switch v.node.GetToken().Type {
	case token.SingleQuoteType, token.DoubleQuoteType, token.LiteralType, token.FoldedType:
		if !v.filled {
			return "", false
		}
	}
	return strings.TrimSpace(v.text), true
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
	nodes, _ := s.items(key)
	for _, n := range nodes {
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

// oneOrMore reads a list of texts, or a single one.
func (s *section) oneOrMore(key string) (all []string, at []position) {
	if n, ok := s.doc.resolve(s.fields[key].value).(*ast.SequenceNode); ok && n != nil {
		return s.texts(key)
	}
	var text string
	if !s.text(key, &text) {
		return nil, nil
	}
	return []string{text}, []position{s.where(key)}
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
