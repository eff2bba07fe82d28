// Package peer is the wire between nodes. It owns the connections and their
// mutual TLS identity, the frames, the client that asks another node and the
// server that answers one. It refuses to know where an answer comes from, which
// node to ask, or what to do when one does not answer: that is node's.
//
// A connection carries one read at a time, so TCP is the backpressure, and is
// used again once an answer is complete. It begins with a hello each way:
//
//	client: hello{protocol, name, wanted name, ring fingerprint, council}
//	server: welcome{reason, the server's own hello}
//
// and then repeats
//
//	client: ask{object.Ask, time left}
//	server: head{error} | head{answer} [data{crc, bytes}... end{error or ok}]
//
// with a wait{} between any two frames, and before the head, whenever the owner
// has to wait for S3: so an owner that is slow because S3 is can be told from one
// that is gone, and silence alone means the latter.
//
// A frame is a length, a type and a payload; each type and each field has a
// maximum. Integers are little endian, as in the encodings of package object.
// The last bytes of a body are given to its reader only after the end frame has
// said that all was well: a body is whole or ends with an error, never short.
package peer
