package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// Files name a certificate (with its chain), its key and the CAs to trust, all PEM. CA
// may be "".
type Files struct{ Cert, Key, CA string }

// Material is one reading of Files. Nobody changes it.
type Material struct {
	Cert tls.Certificate // with its Leaf
	// CAs are those of the CA file, none without one; Roots is them as a pool, nil without.
	CAs   []*x509.Certificate
	Roots *x509.CertPool
}

// Expires returns when the certificate is not valid any more.
func (m *Material) Expires() time.Time { return m.Cert.Leaf.NotAfter }

// Open reads the files and follows them as Follow does.
func Open(f Files) (*Followed[*Material], error) { return OpenChecked(f, nil) }

// OpenChecked is Open for material that must please check, too, to be taken.
func OpenChecked(f Files, check func(*Material) error) (*Followed[*Material], error) {
	paths := []string{f.Cert, f.Key}
	if f.CA != "" {
		paths = append(paths, f.CA)
	}
	return Follow(paths, func(contents [][]byte) (*Material, error) {
		m, err := f.parse(contents)
		if err == nil && check != nil {
			err = check(m)
		}
		if err != nil {
			return nil, err
		}
		return m, nil
	})
}

func (f Files) parse(contents [][]byte) (*Material, error) {
	m := new(Material)
	var err error
	if m.Cert, err = tls.X509KeyPair(contents[0], contents[1]); err != nil {
		return nil, fmt.Errorf("%s and %s: %w", f.Cert, f.Key, err)
	}
	if f.CA == "" {
		return m, nil
	}
	if m.CAs, err = readCAs(contents[2]); err != nil {
		return nil, fmt.Errorf("%s: %w", f.CA, err)
	}
	m.Roots = x509.NewCertPool()
	for _, ca := range m.CAs {
		m.Roots.AddCert(ca)
	}
	return m, nil
}

// readCAs reads all certificates of a file. One that cannot be read is an error: x509's
// own reader would leave it out, and trust less than the file says.
func readCAs(text []byte) (all []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		ca, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, ca)
	}
	if len(all) == 0 {
		return nil, errors.New("holds no certificate")
	}
	return all, nil
}
