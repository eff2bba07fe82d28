// Package sim simulates clusters that are too large to be run here: how evenly
// the ring of 10, 100 and 1,000 nodes spreads the keys, what moves when nodes
// come, go and fail, what a change of the ring costs, and how long the nodes
// take to agree on it. There are no sockets: the ring is built as it is, and the
// gossip is memberlist's own and cluster's own code, over a network in memory
// and a clock that does not wait (testing/synctest). So it is a test, and a small
// cluster is simulated with every run of the tests; `make bench-scale` prints the
// tables of docs/scale.md.
package sim
