package config

import "time"

// longestList is more than seconds, and no more: nothing tells when a name appears or
// goes.
const longestList = 5 * time.Minute

// readLists reads for how long a page of names is kept, which is not at all unless the
// file says so.
func readLists(s *section, b *Bucket) {
	s.duration("lists", &b.Lists, 0, longestList)
}

// readAnonymousLists reads whether who brings no credentials may list a bucket that is
// open to all.
func readAnonymousLists(s *section, b *Bucket) {
	allowed := true
	s.boolean("anonymous_lists", &allowed)
	b.NoAnonymousLists = !allowed
}
