package object

import "strings"

// targetedDirectives reads a targeted field (RFC 9213 §2.1), whose syntax is a
// dictionary of Structured Fields (RFC 9651 §3.2) and not Cache-Control's: one that
// does not parse, or is empty, says nothing at all. A directive with a value of
// another type than its own is left out; of two of a name the later counts.
func targetedDirectives(field string) (directives, bool) {
	p := structured{s: strings.Trim(field, " ")}
	if p.s == "" {
		return directives{}, false
	}
	said := map[string]string{} // "" is true, digits are an integer
	for {
		name := p.key()
		value, known := "", true
		if p.next('=') {
			value, known = p.value()
		}
		p.parameters()
		delete(said, name)
		if known {
			said[name] = value
		}
		p.space()
		if p.bad || p.s == "" {
			break
		}
		if p.want(','); !p.bad {
			p.space()
			p.bad = p.s == "" // a trailing comma
		}
	}
	d := noDirectives
	for name, value := range said {
		switch name {
		case "max-age", "s-maxage", "stale-while-revalidate", "stale-if-error":
			if value != "" {
				d.read(name, value)
			}
		default:
			if value == "" {
				d.read(name, "")
			}
		}
	}
	return d, !p.bad
}

// structured reads Structured Fields from the front of s.
type structured struct {
	s   string
	bad bool
}

func (p *structured) next(c byte) bool {
	if p.s == "" || p.s[0] != c {
		return false
	}
	p.s = p.s[1:]
	return true
}

func (p *structured) want(c byte) {
	if !p.next(c) {
		p.bad = true
	}
}

func (p *structured) space() { p.s = strings.TrimLeft(p.s, " \t") }

// take cuts what is made of the given characters.
func (p *structured) take(of string) string {
	rest := strings.TrimLeft(p.s, of)
	taken := p.s[:len(p.s)-len(rest)]
	p.s = rest
	return taken
}

const (
	lowercase = "abcdefghijklmnopqrstuvwxyz"
	uppercase = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits    = "0123456789"
)

func (p *structured) key() string {
	if p.s == "" || strings.IndexByte(lowercase+"*", p.s[0]) < 0 {
		p.bad = true
		return ""
	}
	return p.take(lowercase + digits + "_-.*")
}

// value reads a value; known is false for what no directive has: anything but
// a non-negative integer and true, which is "".
func (p *structured) value() (value string, known bool) {
	if p.next('(') {
		for p.space(); !p.bad && !p.next(')'); p.space() {
			p.item()
			p.parameters()
		}
		return "", false
	}
	return p.item()
}

// item reads a bare item (RFC 9651 §4.2.3.1).
func (p *structured) item() (value string, known bool) {
	switch {
	case p.s == "":
		p.bad = true
	case p.next('?'):
		on := p.next('1')
		p.bad = p.bad || !on && !p.next('0')
		return "", on
	case p.s[0] == '"':
		p.text()
	case p.next(':'):
		p.take(lowercase + uppercase + digits + "+/=")
		p.want(':')
	case p.s[0] == '-' || strings.Contains(digits, p.s[:1]):
		return p.number()
	case strings.IndexByte(lowercase+uppercase+"*", p.s[0]) >= 0:
		p.take(lowercase + uppercase + digits + "!#$%&'*+-.^_`|~:/")
	default:
		p.bad = true
	}
	return "", false
}

func (p *structured) number() (value string, known bool) {
	negative := p.next('-')
	value = p.take(digits)
	whole := !p.next('.')
	if !whole {
		fraction := p.take(digits)
		p.bad = p.bad || fraction == "" || len(fraction) > 3 || len(value) > 12
	}
	p.bad = p.bad || value == "" || len(value) > 15
	return value, whole && !negative
}

func (p *structured) text() {
	for p.s = p.s[1:]; p.s != ""; p.s = p.s[1:] {
		switch c := p.s[0]; {
		case c == '"':
			p.s = p.s[1:]
			return
		case c == '\\':
			p.s = p.s[1:]
			if p.s == "" || p.s[0] != '"' && p.s[0] != '\\' {
				p.bad = true
				return
			}
		case c < ' ' || c > '~':
			p.bad = true
			return
		}
	}
	p.bad = true
}

func (p *structured) parameters() {
	for !p.bad && p.next(';') {
		p.s = strings.TrimLeft(p.s, " ")
		p.key()
		if p.next('=') {
			p.item()
		}
	}
}
