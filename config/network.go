package config

import "github.com/goccy/go-yaml"

// Network says where the node may connect to on behalf of its configuration: origins,
// the keys of tokens, policy servers.
type Network struct {
	AllowLinkLocal bool // where clouds have their metadata services
}

func readNetwork(s *section, n *Network) { s.boolean("allow_link_local", &n.AllowLinkLocal) }

func (n *Network) effective() yaml.MapSlice {
	return yaml.MapSlice{{Key: "allow_link_local", Value: n.AllowLinkLocal}}
}
