//go:build race

package run_test

// coldBytes is less where the race detector looks at every byte on its way.
const coldBytes = 4 * mib

// randomQueries are those of all clients together.
const randomQueries = 3_200
