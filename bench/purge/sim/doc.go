// Package sim holds the purge's promise to account in a simulated cluster: real
// nodes with real stores and real purge states in one process, over a network, an
// S3 and disks in memory, and a clock that does not wait (testing/synctest).
// Objects are overwritten, purged and read through random nodes, while fills are
// slow, nodes are killed, restarted, stopped for longer than their lease, cut off
// and moved about the ring. Package history judges every answer.
//
// It is a test: a short form runs with every run of the tests, `make purge-sim`
// does as many operations as it is asked for. What happens follows from a seed,
// which is printed, but for the order in which goroutines of one moment run.
package sim
