//go:build !race

package store

// cutsKept is how many of a story's power cuts are looked at: all.
const cutsKept = 1 << 20
