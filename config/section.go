package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// section is one mapping of the file. Whoever reads a key from it thereby says
// that the key exists: a key that nobody read is unknown.
type section struct {
	doc    *document
	path   string   // "buckets[0].s3"; "" at the top
	at     position // where the section stands, for what is missing in it
	given  bool     // it is in the file
	opaque bool     // switched off: what is in it does not matter
	fields map[string]field
	order  []string // the keys in the file's order
	known  []string
	// children are the sections read from this one, so that reading one twice
	// is reading the same.
	children map[string]*section
}

type field struct {
	key   position
	value ast.Node
}

// newSection reads the mapping n; a missing or empty one has no fields.
func (d *document) newSection(path string, at position, n ast.Node) *section {
	s := &section{doc: d, path: path, at: at, fields: map[string]field{}, children: map[string]*section{}}
	d.sections = append(d.sections, s)
	if n != nil {
		n = d.resolve(n)
	}
	if n == nil {
		return s
	}
	s.given = true
	var entries []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		entries = n.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{n}
	case *ast.NullNode:
		s.given = false
	default:
		d.fail(place(n), "%s: want a section of keys and values, got %s", s.name(), kindOf(n))
		s.opaque = true
	}
	for _, entry := range entries {
		if _, merge := entry.Key.(*ast.MergeKeyNode); merge {
			continue // the checker has refused it
		}
		key := keyName(entry)
		if _, twice := s.fields[key]; !twice {
			s.fields[key] = field{key: place(entry.Key), value: entry.Value}
			s.order = append(s.order, key)
		}
	}
	return s
}

func (s *section) name() string {
	if s.path == "" {
		return "the file"
	}
	return s.path
}

// key returns the full name of a key, as errors show it.
func (s *section) key(key string) string {
	if s.path == "" {
		return key
	}
	return s.path + "." + key
}

// take returns a key's field and makes the key known.
func (s *section) take(key string) (field, bool) {
	s.known = append(s.known, key)
	f, ok := s.fields[key]
	return f, ok && !s.opaque
}

// has reports whether the file gives the key.
func (s *section) has(key string) bool {
	_, ok := s.fields[key]
	return ok
}

// where returns the place of a key's value, and of the section itself where the
// key is missing.
func (s *section) where(key string) position {
	f, ok := s.fields[key]
	if !ok {
		return s.at
	}
	return place(f.value)
}

// keyAt returns the place of a key, and of the section where it is missing.
func (s *section) keyAt(key string) position {
	if f, ok := s.fields[key]; ok {
		return f.key
	}
	return s.at
}

// fail reports an error about a key, at its value.
func (s *section) fail(key, format string, args ...any) {
	s.doc.fail(s.where(key), "%s: %s", s.key(key), fmt.Sprintf(format, args...))
}

// section returns the section under a key; an empty one if there is none.
func (s *section) section(key string) *section {
	if child, ok := s.children[key]; ok {
		return child
	}
	f, ok := s.take(key)
	if !ok {
		f.key = s.at
	}
	child := s.doc.newSection(s.key(key), f.key, f.value)
	child.opaque = child.opaque || s.opaque
	s.children[key] = child
	return child
}

// isSection reports whether the key holds a mapping, for keys that may hold
// either that or a scalar.
func (s *section) isSection(key string) bool {
	f, ok := s.fields[key]
	if !ok {
		return false
	}
	switch s.doc.resolve(f.value).(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return true
	}
	return false
}

// items returns the elements of a list, none if the key is missing or empty;
// not ok if there is something else than a list, which has been reported.
func (s *section) items(key string) (all []ast.Node, ok bool) {
	f, ok := s.take(key)
	if !ok {
		return nil, !s.opaque
	}
	switch n := s.doc.resolve(f.value).(type) {
	case *ast.NullNode:
		return nil, true
	case *ast.SequenceNode:
		return n.Values, true
	case nil:
		return nil, false
	default:
		s.fail(key, "want a list, got %s", kindOf(n))
		return nil, false
	}
}

// list returns the sections of a list, and ok as items does.
func (s *section) list(key string) (all []*section, ok bool) {
	nodes, ok := s.items(key)
	for i, n := range nodes {
		all = append(all, s.doc.newSection(fmt.Sprintf("%s[%d]", s.key(key), i), place(n), n))
	}
	return all, ok
}

// failUnknown reports the keys that nobody asked for.
func (s *section) failUnknown() {
	if s.opaque {
		return
	}
	known := map[string]bool{}
	for _, key := range s.known {
		known[key] = true
	}
	for _, key := range s.order {
		if known[key] {
			continue
		}
		hint := ""
		if near := nearest(key, s.known); near != "" {
			hint = "; did you mean " + near + "?"
		}
		s.doc.fail(s.fields[key].key, "%s: unknown key%s", s.key(key), hint)
	}
}

// kindOf names what a value is, for errors.
func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a section"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	}
	return "something else"
}

// nearest returns the known key that key is most likely a slip of: the same but
// for case and separators, or at most two letters away. "" if there is none.
func nearest(key string, known []string) string {
	best, fewest := "", 3
	for _, candidate := range known {
		distance := editDistance(plain(key), plain(candidate))
		if distance < fewest && distance < len(key)/2+1 {
			best, fewest = candidate, distance
		}
	}
	return best
}

func plain(key string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(key))
}

// editDistance is Levenshtein's: the fewest letters to insert, delete or replace.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
