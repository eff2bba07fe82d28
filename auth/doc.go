// Package auth decides who may read. A Guard stands before one bucket: its Schemes
// say who sent a request, its Rules whether that one may do what it asks for.
//
// It owns keys, tokens and signatures, and the reasons for which they are refused.
// It knows nothing of what is cached, and it is asked before anything is looked up.
// Whatever it cannot decide is refused. It tells a client no reason: those are for
// the log and the metrics.
package auth
