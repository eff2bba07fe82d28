package auth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithmSigV4 = "AWS4-HMAC-SHA256"
	paramSignature = "X-Amz-Signature"

	unsignedPayload = "UNSIGNED-PAYLOAD"
	amzTime         = "20060102T150405Z"
	maxExpires      = 7 * 24 * 3600 // seconds
)

// signedRequest is what a request says of its signature, and what S3 would have
// signed of the rest.
type signedRequest struct {
	accessKey, date, region, service string // the credential and its scope
	signedHeaders                    string
	given                            string // the signature
	timestamp                        string
	at                               time.Time
	expires                          time.Duration // of a presigned URL; 0 for a header
	payload                          string        // the hash, or the word that stands in for one

	host          string
	path, rawPath string
	query         string // canonical
}

// readSigned returns nil for a request that no AWS signature comes with.
func readSigned(r *Request) (*signedRequest, error) {
	authority, rawPath, query := splitTarget(r.Target)
	inHeader, err := signatureHeader(r.Header.Values("Authorization"))
	presigned := mentions(query, "x-amz-algorithm", "x-amz-credential", "x-amz-signature", "x-amz-security-token", "awsaccesskeyid")
	switch {
	case err != nil:
		return nil, err
	case inHeader == "" && !presigned:
		return nil, nil
	case inHeader != "" && presigned:
		return nil, &Denied{Reason: TwoCredentials}
	case len(r.Header.Values("X-Amz-Security-Token")) > 0:
		return nil, &Denied{Reason: Unsupported, Err: errors.New("session tokens are not known here")}
	}
	parameters, err := parseParameters(query)
	if err != nil {
		return nil, &Denied{Reason: BadRequestSignature, Err: err}
	}
	q := &signedRequest{host: r.Host, rawPath: rawPath, query: canonicalQuery(parameters)}
	if authority != "" {
		q.host = authority
	}
	if q.path, err = url.PathUnescape(rawPath); err != nil {
		return nil, &Denied{Reason: BadRequestSignature, Err: errEncoding}
	}
	if presigned {
		err = q.readQuery(r, parameters)
	} else {
		err = q.readHeader(r, inHeader)
	}
	if err != nil {
		return nil, malformed(err)
	}
	return q, nil
}

func malformed(err error) error {
	var denied *Denied
	if errors.As(err, &denied) {
		return denied
	}
	return &Denied{Reason: BadRequestSignature, Err: err}
}

// signatureHeader returns what follows the algorithm; "" for an Authorization that is
// none of AWS's.
func signatureHeader(values []string) (string, error) {
	for _, value := range values {
		algorithm, rest, _ := strings.Cut(value, " ")
		switch {
		case !strings.HasPrefix(algorithm, "AWS"):
			continue
		case len(values) > 1:
			return "", &Denied{Reason: TwoCredentials}
		case algorithm != algorithmSigV4:
			return "", unsupportedAlgorithm(algorithm)
		case rest == "":
			return "", &Denied{Reason: BadRequestSignature, Err: errors.New("the Authorization header ends after the algorithm")}
		}
		return rest, nil
	}
	return "", nil
}

func unsupportedAlgorithm(name string) error {
	why := "it is not known here"
	switch name {
	case "AWS":
		why = "this is Signature Version 2; Version 4 is taken"
	case "AWS4-ECDSA-P256-SHA256":
		why = "this is Signature Version 4A; Version 4 is taken"
	}
	return &Denied{Reason: Unsupported, Err: fmt.Errorf("algorithm %.40q: %s", name, why)}
}

// readHeader reads an Authorization header.
func (q *signedRequest) readHeader(r *Request, value string) (err error) {
	fields := map[string]string{}
	for field := range strings.SplitSeq(value, ",") {
		name, value, ok := strings.Cut(strings.Trim(field, " \t"), "=")
		if _, twice := fields[name]; twice || !ok {
			return errors.New("the Authorization header has a field that is twice there, or none")
		}
		fields[name] = value
	}
	if len(fields) != 3 || fields["Signature"] == "" {
		return errors.New("the Authorization header has other fields than Credential, SignedHeaders and Signature")
	}
	q.signedHeaders, q.given = fields["SignedHeaders"], fields["Signature"]
	if q.payload, err = one("X-Amz-Content-Sha256", r.Header.Values("X-Amz-Content-Sha256")); err == nil {
		err = checkPayload(q.payload)
	}
	if err == nil {
		err = q.readDate(r)
	}
	if err == nil {
		err = q.readCredential(fields["Credential"])
	}
	return err
}

// readDate: X-Amz-Date is before Date.
func (q *signedRequest) readDate(r *Request) error {
	if values := r.Header.Values("X-Amz-Date"); len(values) > 0 {
		value, err := one("X-Amz-Date", values)
		if err != nil {
			return err
		}
		return q.setTime(value)
	}
	value, err := one("Date", r.Header.Values("Date"))
	if err != nil {
		return err
	}
	if at, err := http.ParseTime(value); err == nil {
		value = at.UTC().Format(amzTime)
	}
	return q.setTime(value)
}

func (q *signedRequest) setTime(value string) (err error) {
	q.timestamp = value
	if q.at, err = time.Parse(amzTime, value); err != nil || len(value) != len(amzTime) {
		return errors.New("the date is not written as 20060102T150405Z")
	}
	return nil
}

// readCredential reads <access key>/<date>/<region>/s3/aws4_request.
func (q *signedRequest) readCredential(value string) error {
	parts := strings.Split(value, "/")
	switch {
	case len(parts) != 5 || parts[0] == "" || parts[2] == "" || len(parts[2]) > 64:
		return errors.New("the credential is not <access key>/<date>/<region>/s3/aws4_request")
	case parts[3] != serviceS3 || parts[4] != terminator:
		return errors.New("the credential is not one for s3")
	case !strings.HasPrefix(q.timestamp, parts[1]+"T"):
		return errors.New("the credential's date is not that of the request")
	}
	q.accessKey, q.date, q.region, q.service = parts[0], parts[1], parts[2], parts[3]
	return nil
}

// readQuery reads the parameters of a presigned URL.
func (q *signedRequest) readQuery(r *Request, parameters []parameter) error {
	found := map[string][]string{}
	for _, p := range parameters {
		found[p.name] = append(found[p.name], p.value)
	}
	switch {
	case found["X-Amz-Security-Token"] != nil:
		return &Denied{Reason: Unsupported, Err: errors.New("session tokens are not known here")}
	case found["AWSAccessKeyId"] != nil:
		return unsupportedAlgorithm("AWS")
	}
	var values [6]string
	for i, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", paramSignature} {
		value, err := one(name, found[name])
		if err != nil {
			return err
		}
		values[i] = value
	}
	if values[0] != algorithmSigV4 {
		return unsupportedAlgorithm(values[0])
	}
	q.signedHeaders, q.given = values[4], values[5]
	seconds, err := strconv.Atoi(values[3])
	if err != nil || seconds < 1 || seconds > maxExpires {
		return fmt.Errorf("X-Amz-Expires is not between 1 and %d", maxExpires)
	}
	q.expires = time.Duration(seconds) * time.Second
	if err := q.setTime(values[2]); err != nil {
		return err
	}
	if q.payload, err = presignedPayload(r, found["X-Amz-Content-Sha256"]); err != nil {
		return err
	}
	return q.readCredential(values[1])
}

// presignedPayload is UNSIGNED-PAYLOAD unless the URL or a header says another hash.
func presignedPayload(r *Request, inQuery []string) (string, error) {
	values := slices.Concat(inQuery, r.Header.Values("X-Amz-Content-Sha256"))
	if len(values) == 0 {
		return unsignedPayload, nil
	}
	value, err := one("X-Amz-Content-Sha256", values)
	if err != nil {
		return "", err
	}
	return value, checkPayload(value)
}

// checkPayload knows the forms of x-amz-content-sha256. What a read might bring as its
// body is not looked at, so whichever is given is only a part of what is signed.
func checkPayload(value string) error {
	switch value {
	case unsignedPayload, "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
		"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":
		return nil
	}
	if len(value) == 64 && strings.Trim(value, "0123456789abcdef") == "" {
		return nil
	}
	return errors.New("X-Amz-Content-Sha256 is neither a hash nor a word that stands in for one")
}

func one(name string, values []string) (string, error) {
	if len(values) != 1 || values[0] == "" {
		return "", fmt.Errorf("%s is not there exactly once", name)
	}
	return values[0], nil
}

// checkTime: a header's signature is good for as long as clocks may differ, a
// presigned one from its date until it expires.
func (q *signedRequest) checkTime(now time.Time) error {
	switch {
	case q.at.After(now.Add(maxSkew)):
		return &Denied{Reason: Skewed}
	case q.expires == 0 && q.at.Before(now.Add(-maxSkew)):
		return &Denied{Reason: Skewed}
	case q.expires > 0 && !now.Before(q.at.Add(q.expires)):
		return &Denied{Reason: Expired}
	}
	return nil
}
