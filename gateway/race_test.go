//go:build race

package gateway_test

// identityPairs are few where each costs ten times as much.
const identityPairs = 100_000
