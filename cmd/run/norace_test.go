//go:build !race

package run_test

// coldBytes is the size of the object that many clients read at once.
const coldBytes = 64 * mib

// randomQueries are those of all clients together.
const randomQueries = 100_000
