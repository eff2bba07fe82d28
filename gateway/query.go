package gateway

import (
	"strconv"
	"strings"

	"rookery/object"
)

// parameters are what a query says that is more than noise.
type parameters struct {
	version   string         // versionId; "" for none
	part      int            // partNumber; 0 for none
	overrides []object.Field // response-*, by the field that each stands for
	resource  string         // the sub-resource: "acl", "tagging"; "" for none
	list      listParameters
}

// parseQuery reads the parameters that are part of a key, versionId and partNumber,
// those that change the answer's header, those of a list, and which sub-resource is
// asked for. All others are dropped, as S3 drops what it does not know; so are the
// X-Amz-* of a presigned URL, which an open bucket does not need. With an error what was
// read before it is right.
func parseQuery(query string) (p parameters, err error) {
	for query != "" && err == nil {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, ok := decodeOnce(rawName)
		field := overrideField(name)
		switch {
		case !ok:
			err = invalidURI
		case name == "versionId":
			var again bool
			p.version, again = decodedValue(rawValue), p.version != ""
			if again || !validVersionID(p.version) {
				err = invalidVersionID
			}
		case name == "partNumber":
			again := p.part != 0
			p.part, err = parsePart(decodedValue(rawValue))
			if again {
				err = invalidPart
			}
		case field != "":
			err = p.override(field, rawValue)
		case isResource(name):
			if p.resource != "" {
				err = twoResources
			}
			p.resource = name
		default:
			p.list.read(name, rawValue)
		}
	}
	return p, err
}

// decodedValue is "", which no parameter may be, for a value that is not encoded well.
func decodedValue(raw string) string {
	value, _ := decodeOnce(raw)
	return value
}

// parsePart reads a part's number: 1 to 10,000 (S3 API reference, "GetObject").
func parsePart(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > object.MaxPart || s[0] == '+' {
		return 0, invalidPart
	}
	return n, nil
}

// overrideField returns the field whose value a response-* parameter replaces
// (S3 API reference, "GetObject"); "" if it is none.
func overrideField(name string) string {
	switch name {
	case "response-cache-control":
		return "Cache-Control"
	case "response-content-disposition":
		return "Content-Disposition"
	case "response-content-encoding":
		return "Content-Encoding"
	case "response-content-language":
		return "Content-Language"
	case "response-content-type":
		return "Content-Type"
	case "response-expires":
		return "Expires"
	}
	return ""
}

// override takes one value, in which "+" is a space as in every query. One that no
// header may have is refused.
func (p *parameters) override(field, raw string) error {
	value, ok := decodeOnce(strings.ReplaceAll(raw, "+", " "))
	if !ok || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return invalidOverride
	}
	p.overrides = append(p.overrides, object.Field{Name: field, Value: value})
	return nil
}

// validVersionID: S3's version ids are opaque, URL-ready and at most 1,024 bytes
// long (S3 User Guide, "Retaining multiple versions of objects with S3
// Versioning"). Other S3 servers use base64 and UUIDs: printable ASCII covers
// them all.
func validVersionID(s string) bool {
	if s == "" || len(s) > object.MaxNameBytes {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// isResource reports whether a parameter makes a GET another operation than GetObject
// or a list (the sub-resources of the S3 API reference).
func isResource(name string) bool {
	switch name {
	case "accelerate", "acl", "analytics", "attributes", "cors", "delete", "encryption",
		"intelligent-tiering", "inventory", "legal-hold", "lifecycle", "location",
		"logging", "metadataConfiguration", "metadataTable", "metrics", "notification",
		"object-lock", "ownershipControls", "policy", "policyStatus",
		"publicAccessBlock", "renameObject", "replication", "requestPayment", "restore",
		"retention", "select", "session", "tagging", "torrent", "uploadId", "uploads",
		"versioning", "versions", "website":
		return true
	}
	return false
}
