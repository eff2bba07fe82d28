package run

import (
	"crypto/tls"
	"fmt"
	"time"

	"rookery/admin"
	"rookery/certs"
)

// openAdminTLS reads the files of the operators' listener; nil where there are none.
func (n *Node) openAdminTLS() (*certs.Followed[*certs.Material], error) {
	t := n.cfg.Admin.TLS
	if t == nil {
		return nil, nil
	}
	followed, err := certs.Open(certs.Files{Cert: t.Cert, Key: t.Key, CA: t.ClientCA})
	if err != nil {
		return nil, fmt.Errorf("admin.tls: %w", err)
	}
	return followed, nil
}

// operatorTokens are those that open the admin API beside its own token, as the
// configuration in use has them.
func (n *Node) operatorTokens() admin.Operators {
	if o := n.now().operators; o != nil {
		return o
	}
	return nil
}

// secureAdmin makes the operators' listener speak TLS if it is configured to.
func (n *Node) secureAdmin() error {
	if n.cfg.Admin.Token == "" && len(n.cfg.JWT.AdminClaims) == 0 && n.cfg.Admin.Exposed() {
		n.log.Warn("other machines may reach the operators' listener and read its metrics; without admin.token or jwt.admin_claims nobody may do more",
			"address", n.operators.Addr().String())
	}
	followed, err := n.openAdminTLS()
	if followed == nil {
		return err
	}
	n.metrics.NewGauge("rookery_admin_certificate_expiry_seconds", func() float64 { return time.Until(followed.Value().Expires()).Seconds() })
	n.operators = tls.NewListener(n.operators, certs.ServerTLS(followed, &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"},
	}))
	follow(n, "admin_tls", followed, func(*certs.Material) error { return nil })
	return nil
}
