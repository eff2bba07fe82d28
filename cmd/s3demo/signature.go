package s3demo

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// signed checks the AWS signature version 4 of a request's headers, over its
// target as it came (docs.aws.amazon.com, "Signature Calculations for the
// Authorization Header"). What the payload's hash promises is not checked.
func signed(r *http.Request) bool {
	fields := map[string]string{}
	authorization := strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	for part := range strings.SplitSeq(authorization, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	who, scope, _ := strings.Cut(fields["Credential"], "/")
	steps := strings.Split(scope, "/") // date, region, service, "aws4_request"
	if who != AccessKey || len(steps) != 4 {
		return false
	}
	request := sha256.Sum256([]byte(canonical(r, fields["SignedHeaders"])))
	text := "AWS4-HMAC-SHA256\n" + r.Header.Get("X-Amz-Date") + "\n" + scope + "\n" + hex.EncodeToString(request[:])
	key := []byte("AWS4" + SecretKey)
	for _, step := range append(steps, text) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(step))
		key = mac.Sum(nil)
	}
	return hmac.Equal([]byte(hex.EncodeToString(key)), []byte(fields["Signature"]))
}

// canonical is the canonical request.
func canonical(r *http.Request, signedHeaders string) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	var b strings.Builder
	b.WriteString(r.Method + "\n" + path + "\n")
	b.WriteString(strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20") + "\n")
	for name := range strings.SplitSeq(signedHeaders, ";") {
		value := strings.Join(r.Header.Values(name), ",")
		if name == "host" {
			value = r.Host
		}
		b.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	b.WriteString("\n" + signedHeaders + "\n" + r.Header.Get("X-Amz-Content-Sha256"))
	return b.String()
}
