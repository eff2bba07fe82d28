package gateway

import (
	"net/http"
	"slices"

	"rookery/auth"
	"rookery/object"
)

// operation is what a request asks for.
type operation uint8

const (
	readObject  operation = iota // GetObject and HeadObject
	askDocument                  // what S3 answers with a document: an object.Query
	getLocation
	headBucket
	unsupported
)

// wanted is what a request asks for, as its method, its path and its query say.
type wanted struct {
	reader Reader // of the request's policy
	parameters
	operation operation
	query     object.Query // of askDocument, but for its headers
	action    auth.Action
	name      string // what the action is on: the object, or the prefix of a list
	err       error  // what is wrong with it, for who may know
}

// understand decides what a request asks of a bucket before the bucket's guard is
// asked whether it may: so it fails for nothing. name is the object's, "" for the bucket.
func understand(method string, bucket *route, name, query string) wanted {
	w := wanted{name: name}
	w.parameters, w.err = parseQuery(query)
	w.query.Key = object.Key{Bucket: bucket.bucket, Name: name, Version: w.version}
	if name == "" {
		w.ofBucket(method)
	} else {
		w.ofObject(method)
	}
	return w
}

// ofObject: every operation on an object reads it.
func (w *wanted) ofObject(method string) {
	w.action = auth.Read
	switch w.resource {
	case "":
		w.operation = readObject
		return
	case "attributes":
		w.operation, w.query.Operation = askDocument, object.GetObjectAttributes
	case "tagging":
		w.operation, w.query.Operation = askDocument, object.GetObjectTagging
	default:
		w.operation = unsupported
		return
	}
	w.getAlone(method)
}

// ofBucket: a HEAD is HeadBucket, whatever list its query speaks of.
func (w *wanted) ofBucket(method string) {
	w.action = auth.Buckets
	switch {
	case w.resource == "location":
		w.operation = getLocation
		w.getAlone(method)
	case w.resource != "":
		w.operation = unsupported
	case method == http.MethodHead:
		w.operation = headBucket
	default:
		w.operation, w.action, w.name = askDocument, auth.List, w.list.prefix
		w.query.Operation, w.query.List = w.list.asked()
		w.query.Key.Version = ""
		if w.err == nil {
			w.err = w.list.err
		}
	}
}

// getAlone refuses the HEAD of what S3 has no HEAD for.
func (w *wanted) getAlone(method string) {
	if method == http.MethodHead && w.err == nil {
		w.err = getOnly
	}
}

// attributeNames are what GetObjectAttributes may ask for (S3 API reference).
var attributeNames = []string{"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}

// attributesOf reads what GetObjectAttributes asks for, which stands in the header.
func attributesOf(r *Request) (a object.Attributes, err error) {
	var names []string
	for name := range commaList(r.list("X-Amz-Object-Attributes")) {
		if !slices.Contains(attributeNames, name) {
			return a, invalidAttributes
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return a, noAttributes
	}
	a.Names = joinSorted(names)
	if a.MaxParts, err = smallNumber(r.first("X-Amz-Max-Parts")); err != nil {
		return a, invalidMaxParts
	}
	if a.PartsFrom, err = smallNumber(r.first("X-Amz-Part-Number-Marker")); err != nil {
		return a, invalidMaxParts
	}
	return a, nil
}
