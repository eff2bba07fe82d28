package config

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// PathPattern is a pattern of object names, segment by segment.
type PathPattern struct {
	Segments []PathSegment
	// Below: everything whose name goes on after the segments and a slash.
	Below bool
}

// PathSegment is what stands between two slashes: any segment, or a text with the
// value of one claim in it or none.
type PathSegment struct {
	Any           bool
	Before, After string
	Claim         []string // the way to it; nil for none
}

// readPaths reads one pattern or a list. In them ${…} names a claim, and nothing comes
// from the environment.
func readPaths(s *section) (all []PathPattern) {
	f, ok := s.take("path")
	if !ok {
		return nil
	}
	nodes := []ast.Node{f.value}
	if s.isList("path") {
		nodes, _ = s.items("path")
		if len(nodes) == 0 {
			s.fail("path", "want at least one pattern")
		}
	}
	for _, n := range nodes {
		here := place(n)
		text, problem := s.doc.plainText(n)
		var pattern PathPattern
		if problem == "" {
			pattern, problem = parsePath(text)
		}
		if problem != "" {
			s.doc.fail(here, "%s: %s", s.key("path"), problem)
			continue
		}
		all = append(all, pattern)
	}
	return all
}

// plainText returns a text as it stands in the file.
func (d *document) plainText(n ast.Node) (text, problem string) {
	node, ok := d.resolve(n).(*ast.StringNode)
	if !ok {
		return "", "want a text such as \"/users/${sub}/**\""
	}
	return reveal(node.Value), ""
}

func parsePath(text string) (p PathPattern, problem string) {
	rest, ok := strings.CutPrefix(text, "/")
	if !ok || rest == "" {
		return p, "want a slash and a name, such as /users/${sub}/**"
	}
	if rest, p.Below = strings.CutSuffix(rest, "/**"); rest == "**" {
		return PathPattern{Below: true}, ""
	}
	for _, one := range splitSegments(rest) {
		segment, problem := parseSegment(one)
		if problem != "" {
			return p, problem
		}
		p.Segments = append(p.Segments, segment)
	}
	return p, ""
}

// splitSegments splits at slashes, but not within ${…}: names of claims may be URLs.
func splitSegments(text string) (all []string) {
	begin := 0
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "${"):
			if end := strings.IndexByte(text[i:], '}'); end > 0 {
				i += end
			}
		case text[i] == '/':
			all, begin = append(all, text[begin:i]), i+1
		}
	}
	return append(all, text[begin:])
}

func parseSegment(text string) (s PathSegment, problem string) {
	if text == "*" {
		return PathSegment{Any: true}, ""
	}
	before, rest, claimed := strings.Cut(text, "${")
	s.Before = before
	if claimed {
		name, after, closed := strings.Cut(rest, "}")
		if !closed || name == "" {
			return s, "want ${…} around the name of a claim"
		}
		s.Claim, s.After = claimPath(name), after
		for _, part := range s.Claim {
			if part == "" {
				return s, "the claim in ${…} has an empty name"
			}
		}
	}
	switch {
	case strings.Contains(s.After, "${"):
		return s, "two claims between two slashes: \"a\" and \"bc\" would be read like \"ab\" and \"c\""
	case strings.Contains(s.Before+s.After, "*"):
		return s, "* stands alone for one segment, ** alone at the end for everything below"
	case s.Before+s.After == "." || s.Before+s.After == "..":
		return s, "has a . or .. segment"
	}
	return s, ""
}

// String is the inverse of parsePath.
func (p PathPattern) String() string {
	var b strings.Builder
	for _, s := range p.Segments {
		b.WriteString("/" + s.String())
	}
	if p.Below {
		b.WriteString("/**")
	}
	return b.String()
}

func (s PathSegment) String() string {
	switch {
	case s.Any:
		return "*"
	case s.Claim == nil:
		return s.Before
	}
	return s.Before + "${" + strings.Join(s.Claim, ".") + "}" + s.After
}
