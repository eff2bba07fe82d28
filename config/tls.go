package config

import (
	"crypto/tls"
	"os"

	"github.com/goccy/go-yaml"
)

// TLS is how the clients' listener speaks it.
type TLS struct {
	Cert, Key  string // PEM files; read again when they change
	MinVersion uint16 // crypto/tls's number
}

var tlsVersions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// readTLS returns nil where the file has no such section.
func readTLS(s *section) *TLS {
	t := &TLS{MinVersion: tls.VersionTLS12}
	if !s.text("cert", &t.Cert) && s.given {
		s.missing("cert")
	}
	if !s.text("key", &t.Key) && s.given {
		s.missing("key")
	}
	if version, ok := s.choice("min_version", "1.2", "1.3"); ok {
		t.MinVersion = tlsVersions[version]
	}
	if !s.given {
		return nil
	}
	if s.doc.readsFiles && t.Cert != "" && t.Key != "" {
		checkPair(s, t)
	}
	return t
}

// checkPair tells of a pair that cannot be used, at the line that names it.
func checkPair(s *section, t *TLS) {
	cert, err := os.ReadFile(t.Cert)
	if err != nil {
		s.fail("cert", "%v", err)
		return
	}
	key, err := os.ReadFile(t.Key)
	if err != nil {
		s.fail("key", "%v", err)
		return
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		s.fail("cert", "%s with %s: %v", t.Cert, t.Key, err)
	}
}

func (t *TLS) effective() yaml.MapSlice {
	version := "1.2"
	if t.MinVersion == tls.VersionTLS13 {
		version = "1.3"
	}
	return yaml.MapSlice{
		{Key: "cert", Value: escape(t.Cert)},
		{Key: "key", Value: escape(t.Key)},
		{Key: "min_version", Value: version},
	}
}
