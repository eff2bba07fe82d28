package auth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// JWKS is where an issuer publishes its keys (RFC 7517 §5).
type JWKS struct {
	// URL is https, or http to this machine itself.
	URL     string
	Refresh time.Duration // between two fetches
	// Keep is how long the last set is believed while no new one can be fetched.
	Keep  time.Duration
	Roots *x509.CertPool // who vouches for the server; nil: the system's

	fault http.RoundTripper // takes the network's place in tests
}

// newClient makes a client that goes to the one place it was told, over TLS, and
// follows nobody elsewhere.
func (j *JWKS) newClient() (*http.Client, error) {
	u, err := url.Parse(j.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("want a URL such as https://issuer.example.com/keys")
	}
	dialer := &net.Dialer{Timeout: fetchTimeout, Control: reachable}
	if u.Scheme == "http" {
		dialer.Control = loopback
	}
	var transport http.RoundTripper = &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: j.Roots},
		DisableKeepAlives:      true, // once an hour
		MaxResponseHeaderBytes: 64 << 10,
	}
	if j.fault != nil {
		transport = j.fault
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("a redirect, which is not followed") },
	}, nil
}

// reachable refuses link-local addresses, where clouds answer with credentials.
func reachable(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := to.Addr().Unmap(); ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return fmt.Errorf("%s is no address to ask", ip)
	}
	return nil
}

// loopback is where plain http may go.
func loopback(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := to.Addr().Unmap(); !ip.IsLoopback() {
		return fmt.Errorf("keys are fetched by http from this machine alone, and %s is another", ip)
	}
	return nil
}
