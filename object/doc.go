// Package object holds the words that all other rooms share: what an object is
// called (Key), what is promised about one version of it (Info), how its bytes
// are cut (chunks and extents), what a reader asks (Ask) and is given (Answer),
// and the errors that travel between rooms and nodes.
//
// It is pure: no files, no sockets, no clocks, no goroutines. It imports no
// other room.
package object
