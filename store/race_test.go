//go:build race

package store

const raceDetector = true

// cutsKept is how many of a story's power cuts are looked at, chosen at random:
// with the race detector on, Pebble checks its invariants as well, and opening
// it takes twenty times as long.
const cutsKept = 1
