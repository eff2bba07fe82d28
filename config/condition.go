package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// Condition is what a token's claims, and the name that is asked for, must meet.
// Exactly one of Claim, Paths, And, Or and Not is set.
type Condition struct {
	// Claim is the way to a claim, name by name, into nested ones.
	Claim    []string
	Operator string
	// Values are what it is compared with: texts, truth values, int64 and float64.
	// One alone, but for "in"; of "regex" an expression, of "exists" a truth value.
	Values []any

	Paths   []PathPattern // the name matches one of them
	And, Or []Condition
	Not     *Condition
}

var operators = []string{"equals", "in", "contains", "gt", "lt", "gte", "lte", "regex", "exists"}

// maxConditionDepth bounds conditions within conditions.
const maxConditionDepth = 16

func readConditions(s *section, key string) []Condition { return readConditionList(s, key, 0) }

func readConditionList(s *section, key string, depth int) (all []Condition) {
	sections, _ := s.list(key)
	if s.has(key) && len(sections) == 0 && !s.opaque {
		s.fail(key, "want at least one condition: leave the key out for none")
	}
	for _, one := range sections {
		all = append(all, readCondition(one, depth))
	}
	return all
}

func readCondition(s *section, depth int) (c Condition) {
	if depth > maxConditionDepth {
		s.doc.fail(s.at, "%s: conditions within conditions, more than %d deep", s.name(), maxConditionDepth)
		s.opaque = true
	}
	var kinds []string
	for _, kind := range []string{"claim", "path", "and", "or", "not"} {
		if s.has(kind) {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) != 1 && !s.opaque {
		s.doc.fail(s.at, "%s: want one of claim, path, and, or, not, got %d", s.name(), len(kinds))
	}
	readClaim(s, &c)
	c.Paths = readPaths(s)
	for _, list := range []struct {
		key string
		to  *[]Condition
	}{{"and", &c.And}, {"or", &c.Or}} {
		if s.has(list.key) {
			*list.to = readConditionList(s, list.key, depth+1)
		} else {
			s.take(list.key)
		}
	}
	if s.has("not") {
		inner := readCondition(s.section("not"), depth+1)
		c.Not = &inner
	} else {
		s.take("not")
	}
	return c
}

func readClaim(s *section, c *Condition) {
	names, at := s.oneOrMore("claim")
	c.Claim = names
	if len(names) == 1 && !s.isList("claim") {
		c.Claim = claimPath(names[0])
	}
	for _, name := range c.Claim {
		if name == "" {
			s.doc.fail(at[0], "%s: %q has an empty name", s.key("claim"), names[0])
		}
	}
	c.Operator, _ = s.choice("operator", operators...)
	switch {
	case !s.has("claim"):
		for _, key := range []string{"operator", "value"} {
			if s.has(key) {
				s.doc.fail(s.keyAt(key), "%s: belongs to a claim", s.key(key))
			}
		}
	case !s.has("operator"):
		s.missing("operator")
	}
	readValues(s, c)
}

// claimPath takes the dotted way to a nested claim apart. A name that is a URL, as
// private claims are recommended to be, is one name with its dots.
func claimPath(text string) []string {
	if strings.ContainsAny(text, "/:") {
		return []string{text}
	}
	return strings.Split(text, ".")
}

func (s *section) isList(key string) bool {
	f, ok := s.fields[key]
	if !ok {
		return false
	}
	_, isList := s.doc.resolve(f.value).(*ast.SequenceNode)
	return isList
}

func readValues(s *section, c *Condition) {
	var at []position
	c.Values, at = s.values("value")
	switch {
	case c.Operator == "":
	case c.Operator == "exists" && !s.has("value"):
		c.Values = []any{true}
	case !s.has("value"):
		s.missing("value")
	case c.Operator != "in" && s.isList("value"):
		s.fail("value", "%s takes one value: a list is for in", c.Operator)
	case c.Operator == "in" && !s.isList("value"):
		s.fail("value", "in takes a list of values")
	}
	for n, value := range c.Values {
		if problem := checkValue(c.Operator, value); problem != "" {
			s.doc.fail(at[min(n, len(at)-1)], "%s: %s", s.key("value"), problem)
		}
	}
}

func checkValue(operator string, value any) (problem string) {
	text, isText := value.(string)
	_, isBool := value.(bool)
	switch operator {
	case "gt", "lt", "gte", "lte":
		if isText || isBool {
			return operator + " compares numbers"
		}
	case "exists":
		if !isBool {
			return "want true or false"
		}
	case "regex":
		if _, err := regexp.Compile(text); !isText || err != nil {
			return "want a regular expression (RE2)"
		}
	}
	return ""
}

// values reads texts, numbers and truth values, one or a list, and tells where they
// stand. An exists that leaves its value out stands where the section does.
func (s *section) values(key string) (all []any, at []position) {
	f, ok := s.take(key)
	if !ok {
		return nil, []position{s.at}
	}
	nodes := []ast.Node{f.value}
	if s.isList(key) {
		nodes, _ = s.items(key)
		if len(nodes) == 0 {
			s.fail(key, "want at least one value")
		}
	}
	at = []position{s.where(key)}[:0]
	for _, n := range nodes {
		here := place(n)
		n = s.doc.resolve(n)
		if n == nil {
			continue
		}
		v, problem := s.doc.readScalar(n, "a text, a number, or true or false")
		if problem != "" {
			s.doc.fail(here, "%s: %s", s.key(key), problem)
			continue
		}
		value, problem := v.value()
		if problem != "" {
			s.doc.fail(here, "%s: %s", s.key(key), problem)
			continue
		}
		all, at = append(all, value), append(at, here)
	}
	return all, at
}

// decimal is a number as JSON has them.
var decimal = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// value returns a truth value or a number where one stands without quotes, and else
// text, what comes from the environment among it.
func (v scalar) value() (value any, problem string) {
	_, plain := v.number()
	_, isBool := v.node.(*ast.BoolNode)
	switch {
	case v.filled:
	case isBool:
		return strings.EqualFold(v.text, "true"), ""
	case plain && decimal.MatchString(v.text):
		if n, err := strconv.ParseInt(v.text, 10, 64); err == nil {
			return n, ""
		}
		n, err := strconv.ParseFloat(v.text, 64)
		if err != nil {
			return nil, "the number " + v.source + " is too large"
		}
		return n, ""
	}
	text, problem := v.asText()
	if problem != "" {
		return nil, problem
	}
	return text, ""
}

func effectiveConditions(all []Condition) []yaml.MapSlice {
	sections := make([]yaml.MapSlice, len(all))
	for i := range all {
		sections[i] = all[i].effective()
	}
	return sections
}

func (c *Condition) effective() yaml.MapSlice {
	switch {
	case len(c.Paths) > 0:
		patterns := make([]string, len(c.Paths))
		for i, p := range c.Paths {
			patterns[i] = p.String()
		}
		return yaml.MapSlice{{Key: "path", Value: patterns}}
	case len(c.And) > 0:
		return yaml.MapSlice{{Key: "and", Value: effectiveConditions(c.And)}}
	case len(c.Or) > 0:
		return yaml.MapSlice{{Key: "or", Value: effectiveConditions(c.Or)}}
	case c.Not != nil:
		return yaml.MapSlice{{Key: "not", Value: c.Not.effective()}}
	}
	values := make([]any, len(c.Values))
	for i, value := range c.Values {
		values[i] = value
		if text, ok := value.(string); ok {
			values[i] = escape(text)
		}
	}
	section := yaml.MapSlice{{Key: "claim", Value: escapeAll(c.Claim)}, {Key: "operator", Value: c.Operator}}
	if c.Operator == "in" {
		return append(section, yaml.MapItem{Key: "value", Value: values})
	}
	return append(section, yaml.MapItem{Key: "value", Value: values[0]})
}

func hasPaths(all []Condition) bool {
	return slices.ContainsFunc(all, func(c Condition) bool {
		return len(c.Paths) > 0 || hasPaths(c.And) || hasPaths(c.Or) || c.Not != nil && hasPaths([]Condition{*c.Not})
	})
}
