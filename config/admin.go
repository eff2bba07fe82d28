package config

import (
	"net"
	"strings"

	"github.com/goccy/go-yaml"
)

// AdminTLS names the files of the operators' listener (PEM). They are followed while the
// node runs.
type AdminTLS struct {
	Cert, Key string
	// ClientCA makes the listener take only clients with a certificate of these CAs; ""
	// for no such demand.
	ClientCA string
}

func readAdmin(s *section, a *Admin) {
	s.host("address", &a.Address)
	s.integer("port", &a.Port, 1, maxPort)
	if s.secret("token", &a.Token) && strings.ContainsFunc(string(a.Token), notToken) {
		s.fail("token", "want visible ASCII characters without spaces: it travels in a header")
	}
	readAdminTLS(s.section("tls"), a)
}

func notToken(r rune) bool { return r <= ' ' || r > '~' }

func readAdminTLS(s *section, a *Admin) {
	var t AdminTLS
	cert, key := s.text("cert", &t.Cert), s.text("key", &t.Key)
	ca := s.text("client_ca", &t.ClientCA)
	switch {
	case cert && key:
		a.TLS = &t
	case cert || key || ca:
		s.doc.fail(s.at, "%s: want both cert and key", s.path)
	}
}

// Exposed reports whether other machines may reach the listener.
func (a *Admin) Exposed() bool {
	ip := net.ParseIP(a.Address)
	return ip == nil && a.Address != "localhost" || ip != nil && !ip.IsLoopback()
}

func (a *Admin) effective() yaml.MapSlice {
	section := compact(yaml.MapSlice{
		{Key: "address", Value: a.Address},
		{Key: "port", Value: a.Port},
		{Key: "token", Value: masked(a.Token)},
	})
	if a.TLS != nil {
		section = append(section, yaml.MapItem{Key: "tls", Value: compact(yaml.MapSlice{
			{Key: "cert", Value: escape(a.TLS.Cert)},
			{Key: "key", Value: escape(a.TLS.Key)},
			{Key: "client_ca", Value: escape(a.TLS.ClientCA)},
		})})
	}
	return section
}
