package gateway

import (
	"iter"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"rookery/object"
)

// listParameters are what a query says of a list. Only of a bucket do they count: an
// object's are dropped, as S3 drops them.
type listParameters struct {
	prefix, delimiter, marker, startAfter, token string
	version2, urlEncoded, fetchOwner             bool
	maxKeys                                      string
	seen                                         []string
	err                                          error // the first fault, of which only who may list hears
}

// maxTokenBytes is more than the continuation tokens of any S3: they hold a name, in
// base64 or encrypted.
const maxTokenBytes = 8 << 10

// read takes a parameter; it is none of a list's if it returns false.
func (l *listParameters) read(name, raw string) bool {
	if !slices.Contains([]string{"list-type", "prefix", "delimiter", "marker", "start-after", "continuation-token", "max-keys", "encoding-type", "fetch-owner"}, name) {
		return false
	}
	value, ok := decodeOnce(strings.ReplaceAll(raw, "+", " "))
	switch {
	case slices.Contains(l.seen, name):
		l.fail(repeatedParameter)
	case !ok || !utf8.ValidString(value):
		l.fail(invalidURI)
	default:
		l.seen = append(l.seen, name)
		l.set(name, value)
	}
	return true
}

func (l *listParameters) fail(p *problem) {
	if l.err == nil {
		l.err = p
	}
}

func (l *listParameters) set(name, value string) {
	switch name {
	case "list-type":
		l.version2 = value == "2"
		if !l.version2 {
			l.fail(invalidListType)
		}
	case "prefix":
		l.prefix = value
	case "delimiter":
		l.delimiter = value
	case "marker":
		l.marker = value
	case "start-after":
		l.startAfter = value
	case "continuation-token":
		l.token = value
		if value == "" || len(value) > maxTokenBytes {
			l.fail(invalidToken)
		}
	case "max-keys":
		l.maxKeys = value
		if _, err := maxKeys(value); err != nil {
			l.err = err
		}
	case "encoding-type":
		l.urlEncoded = value == "url"
		if value != "" && !l.urlEncoded {
			l.fail(invalidEncoding)
		}
	case "fetch-owner":
		l.fetchOwner = value == "true"
	}
	if name != "continuation-token" && len(value) > object.MaxNameBytes {
		l.fail(keyTooLong)
	}
}

// asked is the list that is asked for. What the other version has for parameters does
// not count.
func (l *listParameters) asked() (object.Operation, object.List) {
	list := object.List{Prefix: l.prefix, Delimiter: l.delimiter, URLEncoded: l.urlEncoded}
	list.MaxKeys, _ = maxKeys(l.maxKeys) // its error is told already
	if !l.version2 {
		list.After = l.marker
		return object.ListObjects, list
	}
	list.After, list.Token, list.FetchOwner = l.startAfter, l.token, l.fetchOwner
	return object.ListObjectsV2, list
}

// maxKeys reads 0 and more, of which S3 gives 1,000 at most; negative where it is left
// to S3.
func maxKeys(s string) (int, error) {
	if s == "" {
		return -1, nil
	}
	n, err := smallNumber(s)
	if err != nil {
		return -1, invalidMaxKeys
	}
	return min(n, object.MaxListKeys), nil
}

// smallNumber reads 0 to 2,147,483,647 in digits alone; "" is 0.
func smallNumber(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 31) // takes no sign
	return int(n), err
}

// commaList yields the elements of a field's list that are not empty (RFC 9110 §5.6.1).
func commaList(field string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for element := range strings.SplitSeq(field, ",") {
			if element = strings.TrimSpace(element); element != "" && !yield(element) {
				return
			}
		}
	}
}

// joinSorted is the same for the same names in any order.
func joinSorted(names []string) string {
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ",")
}
