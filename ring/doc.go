// Package ring says which node owns which piece of which object. It owns the
// placement scheme (partitions, replication, hasher, and the order of a
// partition's successors) and its fingerprint; nodes with the same members and
// the same fingerprint agree on every owner without talking.
//
// A Snapshot is immutable and is read without locks by every request. The
// package refuses to know who the members are, whether they are alive, and how
// they are reached: cluster decides that and stores a new Snapshot.
package ring
