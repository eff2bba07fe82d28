// Package audit keeps the record of who was let in and who was not: a JSON line for
// each call of an operator, each read that was refused, and each read of a bucket that
// asks for it.
//
// It owns the shape of an entry, the buffer before the disk, and the files and their
// rotation. An entry has no secret, no signature and no query. What cannot be written is
// kept for a while, then lost, counted and logged; a slow disk holds nobody up for
// longer than Wait. It imports no other room.
package audit
