//go:build race

package demo

// checkedNodes is less where the race detector looks at every byte on its way: the
// samples are 400 MiB.
const checkedNodes = 1
