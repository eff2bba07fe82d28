//go:build race

package run_test

// coldBytes is less where the race detector looks at every byte on its way.
const coldBytes = 4 * mib
