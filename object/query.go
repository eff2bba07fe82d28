package object

import "time"

// Operation is what a Query asks of S3.
type Operation uint8

// The operations, by their names in the S3 API reference.
const (
	ListObjectsV2 Operation = iota
	ListObjects
	GetObjectAttributes
	GetObjectTagging
)

// Query asks S3 for an XML document in place of an object: a page of names, or what
// is said about one object. Two that are equal are the same request.
type Query struct {
	Operation Operation
	// Key is the configured bucket and, unless it is a list, the object.
	Key        Key
	List       List       // of ListObjectsV2 and ListObjects
	Attributes Attributes // of GetObjectAttributes
}

// IsList reports whether the query asks for names.
func (q *Query) IsList() bool { return q.Operation == ListObjectsV2 || q.Operation == ListObjects }

// MaxListKeys is the most names that S3 puts on one page.
const MaxListKeys = 1000

// List is which page of names is asked for.
type List struct {
	Prefix, Delimiter string
	After             string // start-after of V2, marker of V1
	Token             string // continuation-token, V2 alone
	// MaxKeys is 0 to MaxListKeys, or negative where the client leaves it to S3.
	MaxKeys       int
	URLEncoded    bool // encoding-type=url
	FetchOwner    bool // V2 alone
	RestoreStatus bool // the one optional attribute that S3 knows
}

// Attributes is what GetObjectAttributes asks for.
type Attributes struct {
	Names               string // as S3 has them, joined by commas
	MaxParts, PartsFrom int    // 0 where the client leaves them to S3
}

// MaxDocumentBytes is the largest document that is taken from S3: a page of 1,000
// names of 1,024 bytes, each byte of it escaped (%xx), is 3.1 MB, and usual pages are
// a tenth of a megabyte to one.
const MaxDocumentBytes = 4 << 20

// Document is S3's answer to a Query: well-formed XML in which S3's own bucket has been
// given the configured bucket's name.
type Document struct {
	Text      []byte  // never changed once it is made
	Header    []Field // what S3 said beside it that a client may see
	Validated time.Time
	Replica   bool // as an Info's
}
