package run

import (
	"rookery/gateway"
)

// serverOptions are what the clients' listener needs of the configuration, but for
// the policy: none of it changes before the node is started again.
func (n *Node) serverOptions() (gateway.ServerOptions, error) {
	o := gateway.ServerOptions{Log: n.log}
	if t := n.cfg.Server.TLS; t != nil {
		certificate, err := gateway.OpenCertificate(gateway.CertificateOptions{Cert: t.Cert, Key: t.Key, Log: n.log, Metrics: n.metrics})
		if err != nil {
			return gateway.ServerOptions{}, err
		}
		o.TLS = certificate.Config(t.MinVersion)
	}
	return o, nil
}
