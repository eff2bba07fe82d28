//go:build race

package node_test

// overwrites is less where the race detector looks at every byte on its way.
const overwrites = 500
