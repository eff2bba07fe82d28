package auth

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// verdict is what a condition says. What cannot be told (a claim that is not there, or
// is not of the kind that is compared) is neither met nor, within Not, unmet: only what
// is surely met lets anybody in.
type verdict int8

const (
	unmet   verdict = -1
	unknown verdict = 0
	met     verdict = 1
)

func verdictOf(is bool) verdict {
	if is {
		return met
	}
	return unmet
}

// Condition is what a token's claims, and the name that is asked for, must meet.
// Immutable.
type Condition interface {
	judge(r *Request, claims map[string]any) verdict
}

// All is met if all conditions are, and if there are none.
type All []Condition

func (all All) judge(r *Request, claims map[string]any) verdict {
	worst := met
	for _, c := range all {
		if worst = min(worst, c.judge(r, claims)); worst == unmet {
			break
		}
	}
	return worst
}

// Any is met if one condition is.
type Any []Condition

func (any Any) judge(r *Request, claims map[string]any) verdict {
	best := unmet
	for _, c := range any {
		if best = max(best, c.judge(r, claims)); best == met {
			break
		}
	}
	return best
}

// Not is met if the condition is surely not.
type Not struct{ Condition }

func (n Not) judge(r *Request, claims map[string]any) verdict {
	return -n.Condition.judge(r, claims)
}

// claim compares one claim.
type claim struct {
	path    []string
	compare func(value any) verdict
}

// NewClaim makes a condition on the claim at a path of names, by operator: equals, in,
// contains, gt, lt, gte, lte, regex, exists. It is compared with values, which are
// texts, truth values, int64 and float64: one for all operators but "in".
//
// A claim that is null is one that is not there. regex must match the whole of a text;
// contains looks for a text within a text, or for a value among those of an array.
func NewClaim(path []string, operator string, values ...any) (Condition, error) {
	if len(path) == 0 || len(values) == 0 || len(values) > 1 && operator != "in" {
		return nil, fmt.Errorf("a claim's condition %s with %d names and %d values", operator, len(path), len(values))
	}
	compare, err := comparison(operator, values)
	if err != nil {
		return nil, err
	}
	return &claim{path, compare}, nil
}

func comparison(operator string, values []any) (func(any) verdict, error) {
	want := values[0]
	switch operator {
	case "equals", "in":
		return func(got any) verdict { return equalsAny(got, values) }, nil
	case "contains":
		return func(got any) verdict { return contains(got, want) }, nil
	case "exists":
		exists, ok := want.(bool)
		if !ok {
			return nil, fmt.Errorf("exists is compared with true or false, not %v", want)
		}
		return func(got any) verdict { return verdictOf((got != nil) == exists) }, nil
	case "regex":
		text, _ := want.(string)
		if _, err := regexp.Compile(text); err != nil || text == "" {
			return nil, fmt.Errorf("regex wants an expression, not %v", want)
		}
		whole := regexp.MustCompile(`\A(?:` + text + `)\z`)
		return func(got any) verdict {
			if text, ok := got.(string); ok {
				return verdictOf(whole.MatchString(text))
			}
			return unknown
		}, nil
	}
	holds := map[string]func(int) bool{
		"gt":  func(order int) bool { return order > 0 },
		"lt":  func(order int) bool { return order < 0 },
		"gte": func(order int) bool { return order >= 0 },
		"lte": func(order int) bool { return order <= 0 },
	}[operator]
	if _, isNumber := numberOf(want); holds == nil || !isNumber {
		return nil, fmt.Errorf("no condition %s with %v", operator, want)
	}
	return func(got any) verdict {
		if order, ok := compareNumbers(got, want); ok {
			return verdictOf(holds(order))
		}
		return unknown
	}, nil
}

func (c *claim) judge(_ *Request, claims map[string]any) verdict {
	return c.compare(find(claims, c.path))
}

// find returns the claim at a path; nil if there is none.
func find(claims map[string]any, path []string) any {
	var at any = claims
	for _, name := range path {
		object, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = object[name]
	}
	return at
}

// equalsAny compares texts, numbers and truth values; arrays and objects equal none.
func equalsAny(got any, values []any) verdict {
	switch got.(type) {
	case string, bool, json.Number:
		return verdictOf(slices.ContainsFunc(values, func(want any) bool { return equal(got, want) }))
	}
	return unknown
}

func equal(got, want any) bool {
	if order, ok := compareNumbers(got, want); ok {
		return order == 0
	}
	if _, isNumber := got.(json.Number); isNumber {
		return false // a json.Number is text for Go
	}
	return got == want
}

func contains(got, want any) verdict {
	switch got := got.(type) {
	case []any:
		return verdictOf(slices.ContainsFunc(got, func(one any) bool { return equalsAny(one, []any{want}) == met }))
	case string:
		if text, ok := want.(string); ok {
			return verdictOf(strings.Contains(got, text))
		}
	}
	return unknown
}

// number is exact where it is an integer of 64 bits.
type number struct {
	integer int64
	exact   bool
	float   float64
}

func numberOf(value any) (number, bool) {
	switch value := value.(type) {
	case int64:
		return number{value, true, float64(value)}, true
	case float64:
		return number{float: value}, true
	case json.Number:
		if integer, err := strconv.ParseInt(string(value), 10, 64); err == nil {
			return number{integer, true, float64(integer)}, true
		}
		float, err := value.Float64()
		return number{float: float}, err == nil
	}
	return number{}, false
}

func compareNumbers(a, b any) (order int, ok bool) {
	x, ok := numberOf(a)
	y, ok2 := numberOf(b)
	switch {
	case !ok || !ok2:
		return 0, false
	case x.exact && y.exact && x.integer < y.integer, !(x.exact && y.exact) && x.float < y.float:
		return -1, true
	case x.exact && y.exact && x.integer > y.integer, !(x.exact && y.exact) && x.float > y.float:
		return 1, true
	}
	return 0, true
}
