package auth

import "net/url"

// SuiteSignature signs for another service than S3, as AWS's own test suite does.
func SuiteSignature(r *Request, secret, timestamp, signedHeaders string) (string, error) {
	_, rawPath, query := splitTarget(r.Target)
	parameters, err := parseParameters(query)
	if err != nil {
		return "", err
	}
	path, err := url.PathUnescape(rawPath)
	if err != nil {
		return "", err
	}
	q := &signedRequest{
		date: timestamp[:8], region: "us-east-1", service: "service", timestamp: timestamp,
		signedHeaders: signedHeaders, host: r.Host, query: canonicalQuery(parameters),
		payload: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	}
	header, err := q.canonicalHeader(r)
	if err != nil {
		return "", err
	}
	key := deriveKey(secret, q.date, q.region, q.service)
	return q.signature(&key, r.Method, encodePath(path), header), nil
}
