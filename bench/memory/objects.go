package main

import (
	"fmt"

	"rookery/internal/pattern"
)

// bucket is the origin's bucket and the configured one.
const bucket = "bench"

const smallBytes = 64 << 10

// largeAt is the object that reader n streams.
func (o *options) largeAt(n int) pattern.Object {
	return pattern.Object{Bucket: bucket, Key: fmt.Sprintf("large-%03d", n%o.objects), Version: "1", Size: o.objectMiB * mib}
}

// smallAt is one of the objects that fill the hot set.
func (o *options) smallAt(n int) pattern.Object {
	return pattern.Object{Bucket: bucket, Key: fmt.Sprintf("small-%06d", n), Version: "1", Size: smallBytes}
}

// smalls is how many small objects there are: more than cache.memory takes.
func (o *options) smalls() int {
	if !o.hot {
		return 0
	}
	return int(o.memoryMiB * mib / smallBytes)
}

// pathOf is an object's path, at the origin and at a node.
func pathOf(object pattern.Object) string { return "/" + bucket + "/" + object.Key }
