//go:build !race

package node_test

// overwrites is how often objects are overwritten under their readers.
const overwrites = 10_000
