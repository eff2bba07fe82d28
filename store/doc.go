// Package store keeps what one node has read from S3: bodies in append-only
// segment files, a Pebble database that says where each piece lies, and the hot
// set, whole small objects in memory.
//
// It owns its directory: nothing else writes there, and it never holds more
// than Options.Capacity bytes of it, everything counted. It decides what is
// evicted (the oldest segment, with the records read since copied forward
// within a budget) and it never gives a byte that does not match its checksum.
//
// It refuses to be a source of truth, but for the small room that a Durable is.
// Whatever else is wrong on the disk (a bad block, a lost index entry, a hash
// that two keys share, a full or failing disk, a corrupt index) is a miss, is
// counted, and heals by being fetched again; no caller needs to tell the cases
// apart. It knows nothing of freshness, purges, owners or requests: it keeps the
// notes and times that others judge by. It never rewrites or reuses a file that a
// reader may hold.
//
// # Files
//
//	DIR/LOCK                          one process at a time
//	DIR/index/                        Pebble
//	DIR/segments/0000000000000001.seg records, one after the other
//
// # Locks, in the order in which they are taken
//
//	Store.reclaiming   one reclaim, or one reopening of the index, at a time
//	Store.stripes      an index entry is compared and changed under its stripe
//	writer.mu          the end of the segment that is open for writing
//
// Readers take none of them: they find a segment in the table, hold it by a
// count, and read.
package store
