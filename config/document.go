package config

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// document is one parsed file: its anchors, the sections read from it, and what
// was found wrong.
type document struct {
	findings
	getenv   Getenv
	hostname func() (string, error)
	// readsFiles: files that are named are looked into, so that what is wrong with them
	// is told at the line that names them.
	readsFiles bool
	anchors    map[string]ast.Node
	sections   []*section
}

// start is where a fault lies that belongs to no line.
var start = position{1, 1}

// open parses text and returns its top section, or nil after a failure.
func (d *document) open(text []byte) *section {
	if !d.checkText(text) {
		return nil
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	file, err := parser.ParseBytes(protect(text), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.failSyntax(err)
		return nil
	}
	var body ast.Node
	for _, one := range file.Docs {
		if one.Body == nil {
			continue
		}
		if body != nil {
			d.fail(place(one.Body), "a second YAML document: one file configures one node")
			return nil
		}
		body = one.Body
	}
	d.anchors = map[string]ast.Node{}
	if body != nil {
		ast.Walk(checker{d}, body)
	}
	return d.newSection("", start, body)
}

// close reports every key that no section knew.
func (d *document) close() {
	for _, s := range d.sections {
		s.failUnknown()
	}
}

func (d *document) checkText(text []byte) bool {
	switch {
	case len(text) > MaxFileBytes:
		d.fail(start, "larger than %d bytes", MaxFileBytes)
	case !utf8.Valid(text):
		d.fail(start, "not UTF-8 text")
	case bytes.ContainsAny(text, hidden):
		d.fail(start, "contains a Unicode noncharacter (U+FDD0 to U+FDD2)")
	default:
		return true
	}
	return false
}

func (d *document) failSyntax(err error) {
	var syntax yaml.Error
	if !errors.As(err, &syntax) {
		d.fail(start, "not YAML: %s", reveal(err.Error()))
		return
	}
	d.fail(tokenPlace(syntax.GetToken()), "not YAML: %s", reveal(syntax.GetMessage()))
}

// checker finds, over the whole file and so in sections that are switched off
// too, what YAML allows and a configuration does not.
type checker struct{ doc *document }

func (c checker) Visit(n ast.Node) ast.Visitor {
	switch n := n.(type) {
	case *ast.MappingNode:
		c.doc.checkKeys(n)
	case *ast.MergeKeyNode:
		c.doc.fail(place(n), "merge keys (<<) are not supported: write the keys out")
	case *ast.TagNode:
		c.doc.fail(place(n), "tags (%s) are not supported", n.Start.Value)
	case *ast.AnchorNode:
		name := n.Name.GetToken().Value
		if _, twice := c.doc.anchors[name]; twice {
			c.doc.fail(place(n), "the anchor &%s is defined twice", name)
		}
		c.doc.anchors[name] = n.Value
	}
	return c
}

func (d *document) checkKeys(n *ast.MappingNode) {
	seen := map[string]position{}
	for _, entry := range n.Values {
		key, at := keyName(entry), place(entry.Key)
		if first, twice := seen[key]; twice {
			d.fail(at, "%s: the key is there twice (first on line %d)", key, first.line)
			continue
		}
		seen[key] = at
	}
}

// resolve follows anchors and aliases to the value that is meant.
func (d *document) resolve(n ast.Node) ast.Node {
	for range len(d.anchors) + 2 {
		switch at := n.(type) {
		case *ast.AnchorNode:
			n = at.Value
		case *ast.AliasNode:
			name := at.Value.GetToken().Value
			value, ok := d.anchors[name]
			if !ok {
				d.fail(place(at), "*%s: there is no anchor &%s", name, name)
				return nil
			}
			n = value
		case *ast.TagNode: // the checker has refused it
			n = at.Value
		default:
			return n
		}
	}
	d.fail(place(n), "the alias refers to itself")
	return nil
}

func keyName(entry *ast.MappingValueNode) string {
	return reveal(entry.Key.GetToken().Value)
}

func place(n ast.Node) position {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return place(m.Values[0].Key) // the node's own token is the first colon
	}
	return tokenPlace(n.GetToken())
}

func tokenPlace(t *token.Token) position {
	if t == nil || t.Position == nil {
		return start
	}
	return position{line: t.Position.Line, column: t.Position.Column}
}
