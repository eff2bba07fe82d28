//go:build !race

package demo

// checkedNodes is how many nodes read every sample.
const checkedNodes = 3
