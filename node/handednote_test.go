package node_test

import (
	"testing"

	"rookery/purge"
)

// What a former owner hands over is no newer than the floor that it was asked under,
// however much this node knows by then: a purge by a tag, of which who asks for bytes alone
// is not told, is not outrun by them.
func TestWhatIsHandedOverIsAsOldAsItMayBe(t *testing.T) {
	c := newPurged(t, four)
	c.members(four[:3]...)
	key := moved(t, "k")
	former, _ := c.owner(key)
	old := c.put(key, "1", 1000, sameTag)
	former.read(t, get(key), old)
	c.settle(t)
	now := c.put(key, "2", 1000, sameTag)
	n := c.nodes[four[3]]
	c.order(false, []purge.Scope{tagged("red")}, four[3])
	c.members(four...)
	c.s3.Forget()
	c.pinnedOnly(t, n, old) // for a reader from before the purge
	c.requests(key, 0, 0)   // they were handed over
	n.read(t, get(key), now)
	c.settle(t)
	n.read(t, get(key), now)
}
