//go:build !race

package gateway_test

const identityPairs = 1_000_000
