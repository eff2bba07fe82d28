package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// manual is the document that is held to the parser.
const manual = "../docs/configuration.md"

// longSecret is long enough for HS512.
const longSecret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// docsEnvironment sets every name that the documents' examples refer to.
func docsEnvironment() Getenv {
	return environment("ADMIN_TOKEN", "t0ken", "ACCESS_KEY", "AKIA", "SECRET_KEY", "s3cret",
		"GOSSIP_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "JWT_SECRET", longSecret)
}

// What operators are told must exist, and what exists they must be told.
func TestManualHasEveryKey(t *testing.T) {
	told := map[string]bool{}
	for _, r := range manualRows(t) {
		for _, key := range r.keys {
			if told[key] {
				t.Errorf("%s has %s twice", manual, key)
			}
			told[key] = true
		}
	}
	known := knownKeys(t)
	for key := range known {
		if !told[key] {
			t.Errorf("%s is not in %s", key, manual)
		}
	}
	for key := range told {
		if !known[key] {
			t.Errorf("%s tells of %s, which the parser does not know", manual, key)
		}
	}
}

// knownKeys reads files with each of the two forms that cache.memory and
// cache.disk have, and returns every key that the parser asked for. Sections
// with keys of their own are not among them.
func knownKeys(t *testing.T) map[string]bool {
	t.Helper()
	keys := map[string]bool{}
	for _, cache := range []string{"{}", "{memory: {}, disk: {}}"} {
		doc := &document{getenv: environment(), hostname: thisHost}
		text := emptyLists + "cache: " + cache
		if cache == "{}" {
			text = strings.Replace(text, "keys: [{}], issuers: [{keys: [{}]}], ", "issuers: [{keys: [{}]}], ", 1)
		} else {
			text = strings.Replace(text, "issuers: [{keys: [{}]}], ", "", 1)
		}
		readConfig(doc.open([]byte(text)))
		asked := map[string]bool{}
		for _, s := range doc.sections {
			for _, key := range s.known {
				asked[strings.ReplaceAll(s.key(key), "[0]", "[]")] = true
			}
		}
		for key := range asked {
			if !hasChild(asked, key) {
				keys[key] = true
			}
		}
	}
	return keys
}

// emptyLists has one element in each list of sections.
const emptyLists = `
jwt: {enabled: true, keys: [{}], issuers: [{keys: [{}]}], token_sources: [{}], claims: [{}], admin_claims: [{}]}
buckets: [{s3: {replicas: [{}]}, cors: [{}], auth: {jwt: {claims: [{}]}, sigv4: {keys: [{}]}, signed_urls: {keys: [{}]}}, authorization: {type: opa}}]
`

func hasChild(keys map[string]bool, section string) bool {
	for key := range keys {
		if rest, ok := strings.CutPrefix(key, section); ok && strings.HasPrefix(strings.TrimPrefix(rest, "[]"), ".") {
			return true
		}
	}
	return false
}

// Defaults in the manual are the parser's.
func TestManualTellsTheDefaults(t *testing.T) {
	var effective any
	if err := yaml.Unmarshal(mustParse(t, smallest, environment()).Effective(), &effective); err != nil {
		t.Fatal(err)
	}
	defaults := map[string]string{}
	flatten("", effective, defaults)
	var compared int
	for _, r := range manualRows(t) {
		told := r.cells["default"]
		if !strings.HasPrefix(told, "`") {
			continue // words
		}
		compared++
		if got := defaults[r.keys[0]]; "`"+got+"`" != told {
			t.Errorf("%s: the default is %s, %s says %s", r.keys[0], got, manual, told)
		}
	}
	if compared < 25 {
		t.Errorf("only %d defaults are told", compared)
	}
}

func flatten(path string, value any, into map[string]string) {
	switch value := value.(type) {
	case map[string]any:
		for key, child := range value {
			flatten(strings.TrimPrefix(path+"."+key, "."), child, into)
		}
	case []any:
		for _, child := range value {
			flatten(path+"[]", child, into)
		}
	default:
		into[path] = fmt.Sprint(value)
	}
}

// Every example in the manual's tables is accepted, with a warning for each key
// exactly where the table speaks of no effect.
func TestManualExamplesAreAccepted(t *testing.T) {
	for _, r := range manualRows(t) {
		values := spans(r.cells["example"])
		if len(values) == 0 {
			continue
		}
		text := fileWith(t, r.keys, values)
		_, warnings, err := parse("f", text, docsEnvironment(), thisHost)
		if err != nil {
			t.Errorf("%v: %v\n%s", r.keys, err, text)
		}
		want := 0
		if strings.Contains(r.text, "no effect") {
			want = len(r.keys)
		}
		if len(warnings) != want {
			t.Errorf("%v: want %d warnings, got %v", r.keys, want, warnings)
		}
	}
}

func TestManualRefusalsStopTheStart(t *testing.T) {
	var tried int
	for _, r := range manualRows(t) {
		for _, value := range spans(r.cells["refused"]) {
			for _, key := range r.keys {
				tried++
				checkRefused(t, key, value)
			}
		}
	}
	if tried < 15 {
		t.Errorf("only %d refusals are told", tried)
	}
}

func checkRefused(t *testing.T, key, value string) {
	t.Helper()
	_, _, err := parse("f", fileWith(t, []string{key}, []string{value}), docsEnvironment(), thisHost)
	got := fmt.Sprint(err)
	if !strings.Contains(got, " "+strings.ReplaceAll(key, "[]", "[0]")) || strings.Contains(got, "unknown key") {
		t.Errorf("%s: %s: want a refusal, got %s", key, value, got)
	}
}

// fileWith returns a small file with the values (the last one for all keys that
// are left) at the keys, as JSON, which is YAML.
func fileWith(t *testing.T, keys, values []string) []byte {
	t.Helper()
	bucket := map[string]any{"name": "b", "s3": map[string]any{"bucket": "o"}}
	file := map[string]any{"cluster": map[string]any{"gossip_key": "${GOSSIP_KEY}", "expect": 3}, "buckets": []any{bucket}}
	for i, key := range keys {
		var value any
		if err := yaml.Unmarshal([]byte(values[min(i, len(values)-1)]), &value); err != nil {
			t.Fatal(err)
		}
		section := file
		if rest, ok := strings.CutPrefix(key, "buckets[]."); ok {
			section, key = bucket, rest
		}
		path := strings.Split(key, ".")
		for _, name := range path[:len(path)-1] {
			section = inner(section, name)
		}
		section[path[len(path)-1]] = value
		if key == "cluster.gossip_key_file" {
			delete(section, "gossip_key") // one of the two
		}
	}
	complete(file, bucket)
	text, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// inner returns the section under a name, and makes it where it is missing. A name
// that ends with [] is a list, and its one element has what such elements must have.
func inner(section map[string]any, name string) map[string]any {
	name, isList := strings.CutSuffix(name, "[]")
	switch child := section[name].(type) {
	case map[string]any:
		return child
	case []any:
		return child[0].(map[string]any)
	}
	child := map[string]any{}
	section[name] = child
	if isList {
		switch name {
		case "cors":
			child["allowed_origins"], child["allowed_methods"] = "*", "GET"
		case "replicas":
			child["name"], child["bucket"] = "r", "rb"
		case "token_sources":
			child["type"], child["name"] = "header", "X-Other"
		case "keys":
			child["secret"] = longSecret
		case "claims", "admin_claims":
			child["claim"], child["operator"], child["value"] = "role", "equals", "reader"
		}
		section[name] = []any{child}
	}
	return child
}

// complete gives sections what they cannot be without.
func complete(file, bucket map[string]any) {
	if auth, ok := bucket["auth"].(map[string]any); ok {
		if _, ok := auth["enabled"]; !ok {
			auth["enabled"] = true
		}
		if auth["enabled"] == true {
			inner(file, "jwt")
		}
		completeConditions(auth["jwt"])
		completeSignatures(auth)
	}
	if opa, ok := bucket["authorization"].(map[string]any); ok {
		orElse(opa, map[string]any{"type": "opa", "opa_url": "http://h:8181", "opa_policy_path": "a/b"})
	}
	tokens, ok := file["jwt"].(map[string]any)
	if !ok {
		return
	}
	if _, ok := tokens["enabled"]; !ok {
		tokens["enabled"] = true
	}
	completeConditions(tokens)
	sources, _ := tokens["token_sources"].([]any)
	if len(sources) > 0 && sources[0].(map[string]any)["type"] == "bearer" {
		delete(sources[0].(map[string]any), "name")
	}
	issuer := tokens
	if _, several := tokens["issuers"]; several {
		issuer = inner(tokens, "issuers[]")
	}
	completeIssuer(issuer)
}

// completeSignatures gives the keys of signatures what they cannot be without.
func completeSignatures(auth map[string]any) {
	for section, needs := range map[string]map[string]any{
		"sigv4":       {"access_key": "AKPROXY1", "secret_key": longSecret},
		"signed_urls": {"id": "k1", "secret": longSecret},
	} {
		own, ok := auth[section].(map[string]any)
		if !ok {
			continue
		}
		key := inner(own, "keys[]")
		if section == "sigv4" {
			delete(key, "secret") // which is what inner knows of keys
		}
		orElse(key, needs)
	}
}

// orElse adds what is missing.
func orElse(section, needs map[string]any) {
	for key, value := range needs {
		if _, ok := section[key]; !ok {
			section[key] = value
		}
	}
}

// completeIssuer gives an issuer an algorithm that fits its keys, and a key.
func completeIssuer(issuer map[string]any) {
	if keys, ok := issuer["keys"].([]any); ok {
		key := keys[0].(map[string]any)
		if _, ok := key["path"]; ok {
			delete(key, "secret")
			key["algorithm"] = "EdDSA"
		} else if _, ok := key["algorithm"]; !ok {
			key["algorithm"] = "HS256"
		}
		return
	}
	algorithm := ""
	for key, name := range map[string]string{"jwks_url": "RS256", "rsa_public_key_path": "RS256", "ecdsa_public_key_path": "ES256"} {
		if _, ok := issuer[key]; ok {
			algorithm = name
		}
	}
	if algorithm == "" {
		issuer["secret"], algorithm = longSecret, "HS256"
	}
	if _, ok := issuer["algorithm"]; !ok {
		issuer["algorithm"] = algorithm
	}
}

// completeConditions leaves in a condition the one kind that it is to show.
func completeConditions(section any) {
	for _, list := range []string{"claims", "admin_claims"} {
		tokens, _ := section.(map[string]any)
		conditions, ok := tokens[list].([]any)
		if !ok {
			continue
		}
		condition := conditions[0].(map[string]any)
		for _, other := range []string{"path", "and", "or", "not"} {
			if _, ok := condition[other]; ok {
				delete(condition, "claim")
				delete(condition, "operator")
				delete(condition, "value")
			}
		}
	}
}

var yamlBlock = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// Examples start a node, and warn only on the lines that say "no effect".
func TestExamplesOfDocumentsLoad(t *testing.T) {
	for path, want := range map[string]int{manual: 3, "../README.md": 1, "../docs/security.md": 1} {
		blocks := yamlBlock.FindAllStringSubmatch(readText(t, path), -1)
		if len(blocks) < want {
			t.Errorf("%s has %d examples, want at least %d", path, len(blocks), want)
		}
		for _, block := range blocks {
			checkExample(t, path, block[1])
		}
	}
}

func checkExample(t *testing.T, path, text string) {
	t.Helper()
	_, warnings, err := parse(path, []byte(text), docsEnvironment(), thisHost)
	if err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	warned, said := map[int]bool{}, map[int]bool{}
	for _, w := range warnings {
		warned[w.Line] = true
	}
	for i, line := range strings.Split(text, "\n") {
		if strings.Contains(line, "no effect") {
			said[i+1] = true
		}
	}
	if !maps.Equal(warned, said) {
		t.Errorf("%s: warnings %v, but lines %v say so", path, warnings, slices.Sorted(maps.Keys(said)))
	}
}

// row is a row of a table whose first column is "key": the keys that stand
// there, and its cells by their column's head. Its text has the heads too.
type row struct {
	keys  []string
	cells map[string]string
	text  string
}

func manualRows(t *testing.T) []row {
	t.Helper()
	var rows []row
	var head []string
	for line := range strings.SplitSeq(readText(t, manual), "\n") {
		if !strings.HasPrefix(line, "| ") {
			if !strings.HasPrefix(line, "|--") {
				head = nil
			}
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case head == nil:
			head = cells
		case head[0] == "key":
			r := row{keys: spans(cells[0]), cells: map[string]string{}, text: strings.Join(head, " ") + line}
			if len(cells) != len(head) || len(r.keys) == 0 {
				t.Fatalf("%s: a row that does not fit its table: %s", manual, line)
			}
			for i, cell := range cells {
				r.cells[head[i]] = cell
			}
			rows = append(rows, r)
		}
	}
	return rows
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

func spans(cell string) []string {
	var all []string
	for _, m := range codeSpan.FindAllStringSubmatch(cell, -1) {
		all = append(all, m[1])
	}
	return all
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
