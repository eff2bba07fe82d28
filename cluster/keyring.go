package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/memberlist"
)

// keyring makes memberlist's of the keys that the node starts with.
func (o *Options) keyring() (*memberlist.Keyring, error) {
	return memberlist.NewKeyring(o.OtherKeys, o.GossipKey)
}

// SetKeys changes the keys of the gossip: the first encrypts from now on, all of them
// decrypt. A key must be known to every node before any encrypts with it, and encrypt
// nowhere when the first node forgets it; so a new one is added behind the old, then put
// first, then the old is left out, each on all nodes before the next. The order of the
// changes is this package's: none leaves the node without the first key. Errors: a bad
// key, no key, or a node that gossips with nobody; then nothing has changed.
func (c *Cluster) SetKeys(keys [][]byte) error {
	switch {
	case len(keys) == 0:
		return errors.New("gossip keys: none is given")
	case c.keys == nil:
		return ErrUnencrypted
	}
	if err := checkKeys(keys); err != nil {
		return err
	}
	c.keying.Lock()
	defer c.keying.Unlock()
	first := keys[0]
	if err := errors.Join(c.keys.AddKey(first), c.keys.UseKey(first)); err != nil {
		return fmt.Errorf("use a gossip key: %w", err)
	}
	if err := c.forgetKeys(keys); err != nil {
		return fmt.Errorf("remove a gossip key: %w", err)
	}
	for _, key := range keys {
		if err := c.keys.AddKey(key); err != nil {
			return fmt.Errorf("add a gossip key: %w", err)
		}
	}
	return nil
}

// forgetKeys removes all keys but those to keep, the first of which is in use.
//
// memberlist's RemoveKey moves keys within the array that others read without a lock.
// Only the removal of the last one moves none. So those to keep are brought to the front
// first, by using each in turn, the first one last: for some microseconds gossip is
// encrypted with another key, which the others know since before.
func (c *Cluster) forgetKeys(keep [][]byte) error {
	has := func(keys [][]byte, key []byte) bool {
		return slices.ContainsFunc(keys, func(k []byte) bool { return bytes.Equal(k, key) })
	}
	before := c.keys.GetKeys()
	kept := 0
	for _, key := range before {
		if !has(keep, key) {
			break
		}
		kept++
	}
	for _, key := range slices.Backward(before[kept:]) {
		if has(keep, key) {
			if err := errors.Join(c.keys.UseKey(key), c.keys.UseKey(keep[0])); err != nil {
				return err
			}
		}
	}
	for _, key := range slices.Backward(c.keys.GetKeys()) {
		if has(keep, key) {
			return nil
		}
		if err := c.keys.RemoveKey(key); err != nil {
			return err
		}
	}
	return nil
}

func checkKeys(keys [][]byte) error {
	for _, key := range keys {
		if n := len(key); n != 16 && n != 24 && n != 32 {
			return fmt.Errorf("gossip key of %d bytes: 16, 24 or 32 are wanted", n)
		}
	}
	return nil
}
