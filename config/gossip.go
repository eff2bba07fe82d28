package config

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// readGossip reads what makes gossip the cluster's own.
func readGossip(s *section, k *Cluster) {
	readGossipKey(s, k)
	if s.text("gossip_key_file", &k.GossipKeyFile) && s.has("gossip_key") {
		s.fail("gossip_key_file", "give gossip_key or gossip_key_file, not both: the file's first key is the one that encrypts")
	}
	s.named("label", &k.Label)
}

func readGossipKey(s *section, k *Cluster) {
	var text Secret
	if !s.secret("gossip_key", &text) {
		return
	}
	key, err := gossipKey(string(text))
	if err != nil {
		s.fail("gossip_key", "%v", err)
		return
	}
	k.GossipKey = key
}

func gossipKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, errors.New("not base64: make one with: openssl rand -base64 32")
	}
	switch n := len(key); n {
	case 16, 24, 32:
		return key, nil
	default:
		return nil, fmt.Errorf("%d bytes long: want base64 of 16, 24 or 32 bytes", n)
	}
}

// maxGossipKeys is more than any rotation needs: each key costs a try to decrypt.
const maxGossipKeys = 8

// ParseGossipKeys reads the file of the gossip's keys: one a line, in base64, the first
// encrypts, all decrypt. Empty lines and those that begin with # do not count. No error
// has anything of a key in it.
func ParseGossipKeys(text []byte) ([][]byte, error) {
	var keys [][]byte
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := gossipKey(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		for _, other := range keys {
			if bytes.Equal(other, key) {
				return nil, fmt.Errorf("line %d: the key is there twice", number)
			}
		}
		keys = append(keys, key)
	}
	switch {
	case len(keys) == 0:
		return nil, errors.New("no key in it: make one with: openssl rand -base64 32")
	case len(keys) > maxGossipKeys:
		return nil, fmt.Errorf("%d keys: at most %d are wanted", len(keys), maxGossipKeys)
	}
	return keys, nil
}

// checkEncrypted refuses several nodes without a key: gossip would go in clear
// and the peers would have no certificates.
func checkEncrypted(s *section, k *Cluster) {
	if s.has("gossip_key") || s.has("gossip_key_file") { // if it is bad, that has been said
		return
	}
	const missing = "several nodes need cluster.gossip_key or cluster.gossip_key_file (gossip is never sent in clear, and without cluster.peer_tls the peers' certificates derive from it): make one with: openssl rand -base64 32"
	switch {
	case len(k.Join) > 0:
		s.doc.fail(s.keyAt("join"), "%s: %s", s.key("join"), missing)
	case k.Expect > 1:
		s.doc.fail(s.keyAt("expect"), "%s: %s", s.key("expect"), missing)
	}
}
