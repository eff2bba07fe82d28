//go:build !race

package store

const raceDetector = false

// cutsKept is how many of a story's power cuts are looked at: all.
const cutsKept = 1 << 20
