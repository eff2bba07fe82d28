// Package s3test is an S3 origin for tests: real sockets, bodies made on the fly
// from internal/pattern, exact counts of what was asked for and sent, and
// scripts of misbehaviour.
//
// It owns what S3 says to GET and HEAD of one object: ranges, conditions,
// versions, error documents. It refuses the rest of S3: no writes, no lists, and
// no signatures (a request is never turned away for its credentials). Tests need
// no sleeps: a Gate holds answers where the test wants them, and every count is
// right as soon as the client has seen the bytes (only Request.Done may lag; see
// Server.Await).
package s3test
