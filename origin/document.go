package origin

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"unicode/utf8"

	"rookery/object"
)

// roots are the documents' root elements (S3 API reference).
var roots = [...]string{
	object.ListObjectsV2:       "ListBucketResult",
	object.ListObjects:         "ListBucketResult",
	object.GetObjectAttributes: "GetObjectAttributesResponse",
	object.GetObjectTagging:    "Tagging",
}

// maxDepth is more than any document of S3 has elements within elements.
const maxDepth = 16

var errDocument = errors.New("not a document of S3")

// rewrite checks that text is one well-formed document with that root, and returns it
// with the text of each Name that is the root's own child (a list's bucket) replaced by
// bucket. Every other byte stays as S3 wrote it, in memory of its own.
//
// encoding/xml is not used: S3 writes a name's control characters as references
// (&#x1;) that XML 1.0 does not know, which that package refuses and clients of S3
// take; and what it writes again is not what it read.
func rewrite(text []byte, root, bucket string) ([]byte, error) {
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%w: not UTF-8", errDocument)
	}
	s := scanner{text: text}
	if err := s.document(root); err != nil {
		return nil, fmt.Errorf("%w: %w, at byte %d", errDocument, err, s.at)
	}
	if s.names == nil {
		return bytes.Clone(text), nil
	}
	var name bytes.Buffer
	_ = xml.EscapeText(&name, []byte(bucket)) // a bytes.Buffer does not fail
	out := make([]byte, 0, len(text)+len(s.names)*name.Len())
	from := 0
	for _, span := range s.names {
		out = append(append(out, text[from:span[0]]...), name.Bytes()...)
		from = span[1]
	}
	return append(out, text[from:]...), nil
}

// scanner reads the XML that S3 servers write: elements, attributes, text, comments and
// one declaration. It knows no DOCTYPE, so no entities of a document's own, and no CDATA.
type scanner struct {
	text  []byte
	at    int
	root  []byte   // nil until it has begun
	open  [][]byte // the names of the open elements, the root first
	names [][2]int // where the text of each Name below the root lies
}

// document reads all of the text, which must be one root of that name.
func (s *scanner) document(root string) error {
	for s.at < len(s.text) {
		if err := s.step(); err != nil {
			return err
		}
	}
	switch {
	case len(s.open) > 0:
		return fmt.Errorf("it ends within <%s>", s.open[len(s.open)-1])
	case string(s.root) != root:
		return fmt.Errorf("<%s> in place of <%s>", s.root, root)
	}
	return nil
}

// step reads what comes before the next mark-up, and that.
func (s *scanner) step() error {
	run := s.text[s.at:]
	end := bytes.IndexByte(run, '<')
	if end < 0 {
		end = len(run)
	}
	if len(s.open) == 0 && len(bytes.TrimSpace(run[:end])) > 0 {
		return errors.New("text outside of the root")
	}
	s.at += end
	rest := run[end:]
	switch {
	case len(rest) == 0:
		return nil
	case bytes.HasPrefix(rest, []byte("<?xml ")) && s.root == nil:
		return s.skip("?>")
	case bytes.HasPrefix(rest, []byte("<!--")):
		return s.skip("-->")
	case bytes.HasPrefix(rest, []byte("</")):
		return s.close(rest)
	}
	return s.begin(rest)
}

func (s *scanner) skip(end string) error {
	n := bytes.Index(s.text[s.at:], []byte(end))
	if n < 0 {
		return fmt.Errorf("no %s", end)
	}
	s.at += n + len(end)
	return nil
}

// begin reads a start tag, or an empty element's.
func (s *scanner) begin(rest []byte) error {
	end := tagEnd(rest)
	if end < 0 {
		return errors.New("a tag without an end")
	}
	tag := rest[1:end]
	empty := bytes.HasSuffix(tag, []byte("/"))
	name := bytes.TrimSuffix(tag, []byte("/"))
	if space := bytes.IndexAny(name, " \t\r\n"); space >= 0 {
		name = name[:space]
	}
	switch {
	case !elementName(name):
		return fmt.Errorf("an element %.40q", name)
	case len(s.open) == maxDepth:
		return errors.New("too many elements within each other")
	case len(s.open) == 0 && s.root != nil:
		return errors.New("a second root")
	case s.root == nil:
		s.root = name
	}
	s.at += end + 1
	if empty {
		return nil
	}
	s.open = append(s.open, name)
	if s.inName() {
		s.names = append(s.names, [2]int{s.at, s.at})
	}
	return nil
}

// close reads an end tag.
func (s *scanner) close(rest []byte) error {
	end := bytes.IndexByte(rest, '>')
	if end < 0 {
		return errors.New("a tag without an end")
	}
	name := bytes.TrimRight(rest[len("</"):end], " \t\r\n")
	if len(s.open) == 0 || !bytes.Equal(name, s.open[len(s.open)-1]) {
		return fmt.Errorf("</%.40s> that ends nothing", name)
	}
	if s.inName() {
		s.names[len(s.names)-1][1] = s.at
	}
	s.open = s.open[:len(s.open)-1]
	s.at += end + 1
	return nil
}

// inName reports whether the innermost open element is the root's own Name.
func (s *scanner) inName() bool { return len(s.open) == 2 && string(s.open[1]) == "Name" }

// tagEnd returns where a tag's ">" is, past the quoted values of attributes; -1 if there
// is none.
func tagEnd(tag []byte) int {
	var quote byte
	for i, c := range tag {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i
		case c == '<' && i > 0:
			return -1
		}
	}
	return -1
}

// elementName reports whether it could be the name of an element of S3's.
func elementName(name []byte) bool {
	if len(name) == 0 {
		return false
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' && c != ':' {
			return false
		}
	}
	return true
}
