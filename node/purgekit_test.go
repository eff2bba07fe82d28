package node_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/node"
	"rookery/object"
	"rookery/purge"
)

// tagHeader lists the tags of the objects of these tests.
const tagHeader = "X-Amz-Meta-Cache-Tag"

// council is the one that the nodes belong to, unless a test says otherwise.
var council = [16]byte{1}

// purgedCluster is a cluster of which each node has a state of purges of its own,
// which the test moves in the council's place.
type purgedCluster struct {
	*testCluster
	states map[string]*purge.State
	number uint64 // of the newest order
}

// newPurged returns a cluster whose nodes hold a lease that does not end.
func newPurged(t *testing.T, names []string, options ...option) *purgedCluster {
	t.Helper()
	c := &purgedCluster{states: make(map[string]*purge.State), number: 100}
	for _, name := range names {
		c.states[name] = member(c.number)
	}
	c.testCluster = newCluster(t, names, append(options, func(kit *testCluster) {
		before := kit.adjustNode
		kit.adjustNode = func(o *node.Options) {
			o.Purges = c.states[o.Name]
			b := o.Buckets[bucket]
			b.TagHeaders = []string{tagHeader}
			o.Buckets[bucket] = b
			if before != nil {
				before(o)
			}
		}
	})...)
	return c
}

// member returns the state of a leased member of the council that has applied as
// much as number.
func member(number uint64) *purge.State {
	s := purge.NewState()
	s.Join(council)
	s.Pass(number)
	s.Grant(council, time.Now(), 100*365*24*time.Hour)
	return s
}

// purge is an order that every node has applied.
func (c *purgedCluster) purge(scopes ...purge.Scope) uint64 {
	return c.order(false, scopes, c.names...)
}

// soft is a purge that marks stale.
func (c *purgedCluster) soft(scopes ...purge.Scope) uint64 { return c.order(true, scopes, c.names...) }

// order is an order that the named nodes have applied.
func (c *purgedCluster) order(soft bool, scopes []purge.Scope, names ...string) uint64 {
	c.number++
	for _, name := range names {
		c.states[name].Apply(c.number, &purge.Order{ID: fmt.Sprint(c.number), Scopes: scopes, Soft: soft})
	}
	return c.number
}

func object1(name string) purge.Scope {
	return purge.Scope{Kind: purge.Object, Bucket: bucket, Name: name}
}

func tagged(name string) purge.Scope {
	return purge.Scope{Kind: purge.Tag, Bucket: bucket, Name: name}
}

var everything = purge.Scope{Kind: purge.All}

// withTags is what S3 says of an object with these tags.
func withTags(tags string) s3test.Meta {
	return s3test.Meta{Header: map[string][]string{tagHeader: {tags}}}
}

// unleased are nodes that have applied everything, and hold no lease.
func (c *purgedCluster) unleased(names ...string) {
	for _, name := range names {
		c.states[name].Revoke()
	}
}

// refused checks that a read ends with S3's, or this node's own, error of a status.
func (n *testNode) refused(t *testing.T, ask *object.Ask, status int) {
	t.Helper()
	a, err := n.Open(context.Background(), ask)
	if err == nil {
		if a.Body != nil {
			a.Body.Close()
		}
		t.Fatalf("%s was answered (%v), want %d", ask.Key, a.Outcome, status)
	}
	var refused *object.OriginError
	if !errors.As(err, &refused) || refused.Status != status {
		t.Fatalf("%s: got %v, want %d", ask.Key, err, status)
	}
}

// object is what put made of the same arguments.
func (c *purgedCluster) object(key, version string, size int64) pattern.Object {
	return pattern.Object{Bucket: bucket, Key: key, Version: version, Size: size}
}
