package s3demo

import (
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// front asks for a signature and checks a read's conditions before gofakes3
// answers.
type front struct {
	backend *backend
	next    http.Handler
}

func (f front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch authorization := r.Header.Get("Authorization"); {
	case authorization == "" && !read && r.Method != http.MethodOptions:
		refuse(w, r, http.StatusForbidden, "AccessDenied", "Only "+AccessKey+" may write.")
	case authorization != "" && !signed(r):
		refuse(w, r, http.StatusForbidden, "SignatureDoesNotMatch", "The request is not signed with "+AccessKey+"'s secret.")
	case read && !f.holds(r):
		refuse(w, r, http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the preconditions did not hold.")
	default:
		f.next.ServeHTTP(w, r)
	}
}

// holds is false if If-Match or If-Unmodified-Since forbids the read (RFC 9110
// §13.2.2). An object that is not there is gofakes3's to report.
func (f front) holds(r *http.Request) bool {
	match, since := r.Header.Get("If-Match"), r.Header.Get("If-Unmodified-Since")
	if match == "" && since == "" {
		return true
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	o, err := f.backend.HeadObject(bucket, key)
	if err != nil {
		return true
	}
	o.Contents.Close()
	if match != "" {
		return match == "*" || match == `"`+hex.EncodeToString(o.Hash)+`"`
	}
	limit, err := http.ParseTime(since)
	changed, _ := http.ParseTime(o.Metadata["Last-Modified"])
	return err != nil || !changed.Truncate(time.Second).After(limit)
}

func refuse(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	// A client that has left misses nothing.
	_ = xml.NewEncoder(w).Encode(gofakes3.ErrorResponse{Code: gofakes3.ErrorCode(code), Message: message})
}
