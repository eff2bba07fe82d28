package gateway

import (
	"strings"

	"rookery/object"
)

// parseVersionID reads the one query parameter that is part of a key, versionId,
// and refuses what would ask for something else than the object's bytes. All
// other parameters are dropped, as S3 drops what it does not know; so are the
// X-Amz-* of a presigned URL, which an open bucket does not need.
func parseVersionID(query string) (string, error) {
	version, seen := "", false
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, ok := decodeOnce(rawName)
		if !ok {
			return "", invalidURI
		}
		if name != "versionId" {
			if err := refusedParameter(name); err != nil {
				return "", err
			}
			continue
		}
		value, ok := decodeOnce(rawValue)
		if !ok || seen || !validVersionID(value) {
			return "", invalidVersionID
		}
		version, seen = value, true
	}
	return version, nil
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

// refusedParameter returns the error for a parameter that makes a GET another
// operation than GetObject (the sub-resources of the S3 API reference), or that
// S3 takes from authenticated requests alone; else nil.
func refusedParameter(name string) error {
	switch name {
	case "accelerate", "acl", "analytics", "attributes", "cors", "delete", "encryption",
		"intelligent-tiering", "inventory", "legal-hold", "lifecycle", "list-type", "location",
		"logging", "metadataConfiguration", "metadataTable", "metrics", "notification",
		"object-lock", "ownershipControls", "partNumber", "policy", "policyStatus",
		"publicAccessBlock", "renameObject", "replication", "requestPayment", "restore",
		"retention", "select", "session", "tagging", "torrent", "uploadId", "uploads",
		"versioning", "versions", "website":
		return notImplemented
	case "response-cache-control", "response-content-disposition", "response-content-encoding",
		"response-content-language", "response-content-type", "response-expires":
		return anonymousOverride
	}
	return nil
}
