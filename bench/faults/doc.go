// Package faults is the proof that a cluster keeps its word while it is broken:
// nodes as processes of their own, each in a network namespace, are killed,
// stopped, cut off and given a bad network while clients read through them, and
// every byte of every answer is checked.
//
// It is tests alone, because it needs the scripted S3. `make test-cluster` runs
// it, as root and with iproute2 and nft; elsewhere its TestFaults is skipped and
// says why. What it holds the nodes to is in the table that it prints.
package faults
