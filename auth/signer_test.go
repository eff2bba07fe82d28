package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"rookery/auth"
)

// signByHand is what a signer must come to, written down a second time, for what the
// SDK's signer does not do. The region is eu.
func signByHand(r *auth.Request, secret, timestamp, signedHeaders, path, query, payload string) string {
	var header strings.Builder
	for _, name := range strings.Split(signedHeaders, ";") {
		value := r.Host
		if name != "host" {
			value = strings.Join(r.Header.Values(http.CanonicalHeaderKey(name)), ",")
		}
		header.WriteString(name + ":" + value + "\n")
	}
	request := sha256.Sum256([]byte(strings.Join([]string{r.Method, path, query, header.String(), signedHeaders, payload}, "\n")))
	key := []byte("AWS4" + secret)
	for _, part := range []string{
		timestamp[:8], "eu", "s3", "aws4_request",
		"AWS4-HMAC-SHA256\n" + timestamp + "\n" + timestamp[:8] + "/eu/s3/aws4_request\n" + hex.EncodeToString(request[:]),
	} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}
