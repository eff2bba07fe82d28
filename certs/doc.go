// Package certs reads certificates, keys and CAs from files, follows the files while
// the process runs, and makes certificates for those who have no PKI of their own.
//
// It owns the rule that a bad set of files never takes the place of a good one. It
// knows neither who listens with a certificate nor whom it names: that is for whoever
// follows it. It imports no other room.
package certs
