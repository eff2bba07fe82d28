package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Issued is a certificate and its key, both PEM.
type Issued struct{ Cert, Key []byte }

// backdated is how far before now a certificate begins to be valid: the other nodes'
// clocks may be late.
const backdated = 10 * time.Minute

// NewCA makes a CA for one cluster, valid from now for so long. It signs nodes and no
// other CAs. The keys here are ECDSA P-256, which every TLS library has.
func NewCA(name string, now time.Time, valid time.Duration) (*Issued, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template, err := template(name, now, valid)
	if err != nil {
		return nil, err
	}
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	return issue(template, template, key, key)
}

// NewNode makes a certificate for a node, signed by ca, that servers and clients may
// show. Its DNS names are the node's and also; those of also that are IP addresses become
// such. It does not outlive the CA.
func NewNode(ca *Issued, node string, also []string, now time.Time, valid time.Duration) (*Issued, error) {
	signer, err := tls.X509KeyPair(ca.Cert, ca.Key)
	if err != nil {
		return nil, fmt.Errorf("the CA: %w", err)
	}
	if !signer.Leaf.IsCA {
		return nil, fmt.Errorf("the CA: the certificate of %q is not a CA's", signer.Leaf.Subject.CommonName)
	}
	if !now.Before(signer.Leaf.NotAfter) {
		return nil, fmt.Errorf("the CA: expired on %s", signer.Leaf.NotAfter.Format(time.DateOnly))
	}
	template, err := template(node, now, valid)
	if err != nil {
		return nil, err
	}
	if template.NotAfter.After(signer.Leaf.NotAfter) {
		template.NotAfter = signer.Leaf.NotAfter
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.DNSNames = []string{node}
	for _, name := range also {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return issue(template, signer.Leaf, key, signer.PrivateKey)
}

func template(name string, now time.Time, valid time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(valid),
	}, nil
}

func issue(template, parent *x509.Certificate, key *ecdsa.PrivateKey, signer any) (*Issued, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return &Issued{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}, nil
}
