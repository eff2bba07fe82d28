package certs

import (
	"crypto/tls"
	"sync"
)

// ServerTLS returns the configuration of a listener that always shows the latest
// certificate, and, where there is a CA file, takes only clients with a certificate of
// those CAs. base is copied; its certificates and CAs do not count.
//
// Clients that show certificates get no tickets: no session outlives the CA that its
// client was known by.
func ServerTLS(f *Followed[*Material], base *tls.Config) *tls.Config {
	var mu sync.Mutex
	var of *Material
	var made *tls.Config
	outer := base.Clone()
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		mu.Lock()
		defer mu.Unlock()
		m := f.Value()
		if m != of {
			of, made = m, m.server(base)
		}
		return made, nil
	}
	return outer
}

func (m *Material) server(base *tls.Config) *tls.Config {
	c := base.Clone()
	c.Certificates = []tls.Certificate{m.Cert}
	if m.Roots != nil {
		c.ClientAuth, c.ClientCAs, c.SessionTicketsDisabled = tls.RequireAndVerifyClientCert, m.Roots, true
	}
	return c
}
