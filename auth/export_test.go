package auth

import "net/http"

// WithFault puts a transport in the place of the network.
func (j *JWKS) WithFault(t http.RoundTripper) *JWKS {
	j.fault = t
	return j
}
