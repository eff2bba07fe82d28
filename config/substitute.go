package config

import (
	"fmt"
	"regexp"
	"strings"
)

// reference is ${NAME} or ${NAME:-default}. A default ends at the first closing
// brace and holds no reference of its own.
var reference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)(:-[^{}\n]*)?\}`)

// substitute replaces the references in a scalar's text. $${ stands for ${
// itself, and a $ before anything else for itself. A default is taken when the
// name is unset or empty, as shells do. The result is never looked at again.
func substitute(text string, getenv Getenv) (string, error) {
	var out strings.Builder
	for {
		open := strings.Index(text, "${")
		if open < 0 {
			out.WriteString(text)
			return out.String(), nil
		}
		if open > 0 && text[open-1] == '$' {
			out.WriteString(text[:open-1] + "${")
			text = text[open+len("${"):]
			continue
		}
		found := reference.FindStringSubmatchIndex(text[open:])
		if found == nil || found[0] != 0 {
			return "", fmt.Errorf("malformed reference: want ${NAME} or ${NAME:-default}, or $${ for a plain ${")
		}
		ref := reference.FindStringSubmatch(text[open:])
		value, err := lookUp(ref[1], ref[2], getenv)
		if err != nil {
			return "", err
		}
		out.WriteString(text[:open] + value)
		text = text[open+found[1]:]
	}
}

func lookUp(name, fallback string, getenv Getenv) (string, error) {
	value, ok := getenv(name)
	if fallback != "" && value == "" {
		return strings.TrimPrefix(fallback, ":-"), nil
	}
	if !ok {
		return "", fmt.Errorf("${%s} is not set", name)
	}
	return value, nil
}

// escape is the inverse of substitute for a text without references.
func escape(text string) string { return strings.ReplaceAll(text, "${", "$${") }
