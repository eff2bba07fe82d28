// Package gateway is the clients' side of a node: it takes a request apart,
// finds its bucket, asks the node for the object, and turns what comes back into
// an HTTP answer as S3 would give it.
//
// It owns the meaning of targets, hosts, queries, ranges and conditions, the one
// table from errors to S3's XML, and the access log. Its core (Core.Serve) knows
// no HTTP engine: a Request value goes in, an Answer value comes out, and an
// engine such as Handler carries both. A leaner engine can stand beside it.
//
// It refuses to look anything up before a request has been parsed and routed, to
// change an object's name (no cleaning of paths, one decoding), to finish an
// answer with other bytes than it began with, and to let a broken body look like
// a complete one.
package gateway
