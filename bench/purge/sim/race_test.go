//go:build race

package sim

// short is how many operations a run of all tests has time for.
const short = 3000
