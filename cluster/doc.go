// Package cluster knows which nodes there are. It owns the gossip between them
// (hashicorp/memberlist): finding each other, noticing who is gone, telling the
// others this node's state; and it feeds the ring with the members that may own
// something. Its word is a rumour, good for placing reads and nothing else: who
// counts for a purge is the council's to say.
//
// It refuses to be asked on the way of a read: requests look at the ring, which
// cluster stores, and at the addresses that OnChange handed out. It sends no
// bytes of objects and holds no connections between peers.
package cluster
