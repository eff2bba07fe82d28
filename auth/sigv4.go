package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/golang/groupcache/lru"
)

const schemeSigV4 = "sigv4"

// The reasons for which signed requests are refused, beside those of tokens.
const (
	BadRequestSignature = "malformed_signature"
	Unsupported         = "unsupported_signature" // SigV2, SigV4A, session tokens
	Skewed              = "clock"                 // more than 15 minutes off
)

// maxSkew is how far a signer's clock may be off (S3 API reference, "Common errors":
// RequestTimeTooSkewed).
const maxSkew = 15 * time.Minute

// SigV4Key is one pair of credentials of the proxy's own.
type SigV4Key struct {
	AccessKey, Secret string
	Subject           string // who holds it; "" is the access key
}

// SigV4 is the scheme of AWS Signature Version 4 for S3: in the Authorization header
// (S3 API reference, "Signature Calculations for the Authorization Header") and in
// the query of a presigned URL ("Authenticating Requests: Using Query Parameters").
// A credential's region may be any: clients need one, the proxy has none. Safe for
// concurrent use.
type SigV4 struct {
	keys map[string]*sigV4Key // by access key
	now  func() time.Time

	mu      sync.Mutex
	derived lru.Cache // of [sha256.Size]byte by scopeOfKey; of good signatures alone
}

type sigV4Key struct {
	secret   string
	identity Identity
}

// maxDerived bounds the signing keys that are kept: one a key, day and region.
const maxDerived = 1024

type scopeOfKey struct{ accessKey, date, region string }

// NewSigV4 fails for keys without an access key or a secret, and for two with one
// access key. now may be nil.
func NewSigV4(keys []SigV4Key, now func() time.Time) (*SigV4, error) {
	if now == nil {
		now = time.Now
	}
	s := &SigV4{keys: make(map[string]*sigV4Key, len(keys)), now: now, derived: lru.Cache{MaxEntries: maxDerived}}
	for _, k := range keys {
		switch {
		case k.AccessKey == "" || k.Secret == "":
			return nil, errors.New("a key needs an access key and a secret")
		case s.keys[k.AccessKey] != nil:
			return nil, fmt.Errorf("the access key %q is there twice", k.AccessKey)
		case k.Subject == "":
			k.Subject = k.AccessKey
		}
		s.keys[k.AccessKey] = &sigV4Key{k.Secret, Identity{Scheme: schemeSigV4, Subject: k.Subject}}
	}
	return s, nil
}

// Identify verifies the one signature of a request.
func (s *SigV4) Identify(_ context.Context, r *Request) (*Identity, error) {
	signed, err := readSigned(r)
	if signed == nil || err != nil {
		return nil, err
	}
	if err := signed.checkTime(s.now()); err != nil {
		return nil, err
	}
	key := s.keys[signed.accessKey]
	if key == nil {
		return nil, &Denied{Reason: UnknownKey}
	}
	header, err := signed.canonicalHeader(r)
	if err != nil {
		return nil, &Denied{Reason: BadRequestSignature, Err: err}
	}
	scope := scopeOfKey{signed.accessKey, signed.date, signed.region}
	signing, known := s.signingKey(scope, key.secret)
	// S3 decodes the path and encodes it again; some clients sign it as they send it.
	// Both speak of the same object.
	for _, path := range []string{encodePath(signed.path), signed.rawPath} {
		want := signed.signature(&signing, r.Method, path, header)
		if subtle.ConstantTimeCompare([]byte(want), []byte(signed.given)) == 1 {
			if !known {
				s.keep(scope, signing)
			}
			return &key.identity, nil
		}
	}
	return nil, &Denied{Reason: BadSignature}
}

// signingKey derives the key of a day and a region, unless it is known.
func (s *SigV4) signingKey(scope scopeOfKey, secret string) (key [sha256.Size]byte, known bool) {
	s.mu.Lock()
	v, known := s.derived.Get(scope)
	s.mu.Unlock()
	if known {
		return v.([sha256.Size]byte), true
	}
	return deriveKey(secret, scope.date, scope.region, serviceS3), false
}

func (s *SigV4) keep(scope scopeOfKey, key [sha256.Size]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.derived.Add(scope, key)
}

const (
	serviceS3  = "s3"
	terminator = "aws4_request"
)

func deriveKey(secret, date, region, service string) [sha256.Size]byte {
	key := hmacSHA256([]byte("AWS4"+secret), date)
	for _, part := range []string{region, service, terminator} {
		key = hmacSHA256(key[:], part)
	}
	return key
}

// signature is what the signer must have come to.
func (q *signedRequest) signature(key *[sha256.Size]byte, method, path, header string) string {
	request := sha256.Sum256([]byte(method + "\n" + path + "\n" + q.query + "\n" + header + "\n" + q.signedHeaders + "\n" + q.payload))
	mac := hmacSHA256(key[:], algorithmSigV4+"\n"+q.timestamp+"\n"+q.date+"/"+q.region+"/"+q.service+"/"+terminator+"\n"+hex.EncodeToString(request[:]))
	return hex.EncodeToString(mac[:])
}

func hmacSHA256(key []byte, text string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return [sha256.Size]byte(mac.Sum(sum[:0]))
}
