package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

const schemeSignedURL = "signed_url"

// The parameters of a signed URL.
const (
	paramKey     = "rk-key"
	paramExpires = "rk-expires"
	paramIP      = "rk-ip"
	paramMAC     = "rk-signature"
)

var ownParameters = []string{paramKey, paramExpires, paramIP, paramMAC}

// The reasons for which signed URLs are refused, beside those of other signatures.
const (
	TooLong      = "expires_too_late"
	ObjectsAlone = "objects_alone" // a signed URL is for an object, not for a list
)

// SignedURLKey makes and verifies signed URLs.
type SignedURLKey struct {
	ID     string
	Secret []byte
}

// SignedURLs is the scheme of Rookery's own signed URLs: whoever has one may read one
// object, with GET and HEAD and any Range, until it expires. All of the query is
// signed. Safe for concurrent use.
type SignedURLs struct {
	keys map[string]*signedURLKey
	most time.Duration
	now  func() time.Time
}

type signedURLKey struct {
	secret   []byte
	identity Identity
}

// NewSignedURLs takes several keys, so that they can be changed one after the other.
// URLs that are good for longer than most from now on are refused. now may be nil.
func NewSignedURLs(keys []SignedURLKey, most time.Duration, now func() time.Time) (*SignedURLs, error) {
	if now == nil {
		now = time.Now
	}
	s := &SignedURLs{keys: make(map[string]*signedURLKey, len(keys)), most: most, now: now}
	for _, k := range keys {
		switch {
		case k.ID == "" || len(k.Secret) == 0:
			return nil, errors.New("a key needs an id and a secret")
		case s.keys[k.ID] != nil:
			return nil, fmt.Errorf("the id %q is there twice", k.ID)
		}
		s.keys[k.ID] = &signedURLKey{k.Secret, Identity{Scheme: schemeSignedURL, Subject: k.ID}}
	}
	return s, nil
}

// Identify verifies the signature of a URL. Who has it is known by its key.
func (s *SignedURLs) Identify(_ context.Context, r *Request) (*Identity, error) {
	_, _, query := splitTarget(r.Target)
	if !mentions(query, ownParameters...) {
		return nil, nil
	}
	signed, err := readSignedURL(query)
	switch {
	case err != nil:
		return nil, &Denied{Reason: BadRequestSignature, Err: err}
	case r.Action != Read:
		return nil, &Denied{Reason: ObjectsAlone}
	}
	key := s.keys[signed.key]
	if key == nil {
		return nil, &Denied{Reason: UnknownKey}
	}
	want := macOfURL(key.secret, r.Bucket, r.Name, signed.parameters)
	if subtle.ConstantTimeCompare([]byte(want), []byte(signed.mac)) != 1 {
		return nil, &Denied{Reason: BadSignature}
	}
	if err := signed.check(s.now(), s.most, r.Remote); err != nil {
		return nil, err
	}
	return &key.identity, nil
}

// signedURL is what a query says of its signature.
type signedURL struct {
	key        string
	expires    time.Time
	from       netip.Prefix // the zero Prefix for every address
	mac        string
	parameters []parameter // all that are signed
}

func readSignedURL(query string) (*signedURL, error) {
	all, err := parseParameters(query)
	if err != nil {
		return nil, err
	}
	u, found := new(signedURL), map[string][]string{}
	for _, p := range all {
		found[p.name] = append(found[p.name], p.value)
		if p.name != paramMAC {
			u.parameters = append(u.parameters, p)
		}
	}
	if u.key, err = one(paramKey, found[paramKey]); err != nil {
		return nil, err
	}
	if u.mac, err = one(paramMAC, found[paramMAC]); err != nil {
		return nil, err
	}
	expires, err := one(paramExpires, found[paramExpires])
	if err != nil {
		return nil, err
	}
	seconds, err := strconv.ParseInt(expires, 10, 64)
	if err != nil || seconds < 0 {
		return nil, errors.New(paramExpires + " is no time in seconds since 1970")
	}
	u.expires = time.Unix(seconds, 0)
	if found[paramIP] != nil {
		from, err := one(paramIP, found[paramIP])
		if err != nil {
			return nil, err
		}
		u.from, err = parseAddresses(from)
		return u, err
	}
	return u, nil
}

// parseAddresses reads an address, or a prefix of some.
func parseAddresses(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err != nil || p != p.Masked() {
			return netip.Prefix{}, fmt.Errorf("%s: want an address, or a prefix such as 192.0.2.0/24", paramIP)
		}
		return p, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%s: want an address, or a prefix such as 192.0.2.0/24", paramIP)
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// check is done when the signature holds, so that nobody learns of a URL that they made up.
func (u *signedURL) check(now time.Time, most time.Duration, remote netip.Addr) error {
	switch {
	case !now.Before(u.expires):
		return &Denied{Reason: Expired}
	case u.expires.Sub(now) > most:
		return &Denied{Reason: TooLong}
	case u.from.IsValid() && !u.from.Contains(remote.Unmap().WithZone("")):
		return &Denied{Reason: WrongAddress}
	}
	return nil
}

// macOfURL signs a list of texts, each as <length>:<text>, (a netstring), so that no
// two lists are the same bytes: what this is, the bucket, the object's name, and name
// and value of each parameter but rk-signature, decoded, in their order.
func macOfURL(secret []byte, bucket, name string, parameters []parameter) string {
	mac := hmac.New(sha256.New, secret)
	write := func(text string) {
		mac.Write(strconv.AppendInt(nil, int64(len(text)), 10))
		mac.Write([]byte(":" + text + ","))
	}
	write("rookery-signed-url-1")
	write(bucket)
	write(name)
	for _, p := range parameters {
		write(p.name)
		write(p.value)
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// URLToSign says what a signed URL is for.
type URLToSign struct {
	Bucket, Name string
	// Query is what the URL has of its own: versionId, response-*. It is signed as it
	// stands, and must say nothing of a signature.
	Query   string
	Expires time.Time
	From    string // an address or a prefix; "" for every address
}

// Sign returns the query of a signed URL.
func (k *SignedURLKey) Sign(u *URLToSign) (string, error) {
	switch {
	case mentions(u.Query, ownParameters...):
		return "", errors.New("the URL is signed already")
	case k.ID == "" || len(k.Secret) == 0:
		return "", errors.New("a key needs an id and a secret")
	case u.Bucket == "" || u.Name == "":
		return "", errors.New("a signed URL is for an object in a bucket")
	}
	query := paramKey + "=" + encode(k.ID, "") + "&" + paramExpires + "=" + strconv.FormatInt(u.Expires.Unix(), 10)
	if u.Query != "" {
		query = u.Query + "&" + query
	}
	if u.From != "" {
		if _, err := parseAddresses(u.From); err != nil {
			return "", err
		}
		query += "&" + paramIP + "=" + encode(u.From, "")
	}
	parameters, err := parseParameters(query)
	if err != nil {
		return "", err
	}
	return query + "&" + paramMAC + "=" + macOfURL(k.Secret, u.Bucket, u.Name, parameters), nil
}
