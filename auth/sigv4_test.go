package auth_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"rookery/auth"
)

// The credentials of AWS's examples.
const (
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	emptyHash     = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

var exampleTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

func newSigV4(t *testing.T, at time.Time) *auth.SigV4 {
	t.Helper()
	s, err := auth.NewSigV4([]auth.SigV4Key{
		{AccessKey: exampleKey, Secret: exampleSecret, Subject: "ann"},
		{AccessKey: "AKIDOTHER", Secret: "another secret of enough bytes"},
	}, func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// refused is the reason for which a scheme refuses a request; "" if it does not.
func refused(t *testing.T, s auth.Scheme, r *auth.Request) string {
	t.Helper()
	who, err := s.Identify(t.Context(), r)
	var denied *auth.Denied
	switch {
	case errors.As(err, &denied):
		return denied.Reason
	case err != nil:
		t.Fatalf("not a *Denied: %v", err)
	case who == nil:
		return "nobody"
	}
	return ""
}

// exampleRequest is one of S3's documentation ("Examples: Signature Calculations").
func exampleRequest(target, signedHeaders, signature string, more ...string) *auth.Request {
	header := http.Header{"X-Amz-Date": {"20130524T000000Z"}, "X-Amz-Content-Sha256": {emptyHash}}
	for i := 0; i < len(more); i += 2 {
		header.Add(more[i], more[i+1])
	}
	header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+exampleKey+"/20130524/us-east-1/s3/aws4_request,SignedHeaders="+signedHeaders+",Signature="+signature)
	return &auth.Request{Method: "GET", Target: target, Host: "examplebucket.s3.amazonaws.com", Header: header}
}

const examplePresigned = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request" +
	"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"

// The examples of the S3 API reference are accepted.
func TestExamplesOfS3(t *testing.T) {
	const usual = "host;x-amz-content-sha256;x-amz-date"
	s := newSigV4(t, exampleTime)
	for _, r := range []*auth.Request{
		exampleRequest("/test.txt", "host;range;x-amz-content-sha256;x-amz-date", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", "Range", "bytes=0-9"),
		exampleRequest("/?lifecycle", usual, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
		exampleRequest("/?max-keys=2&prefix=J", usual, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
		{Method: "GET", Target: examplePresigned, Host: "examplebucket.s3.amazonaws.com", Header: http.Header{}},
		{Method: "GET", Target: "https://examplebucket.s3.amazonaws.com" + examplePresigned, Host: "proxy", Header: http.Header{}},
	} {
		who, err := s.Identify(t.Context(), r)
		if err != nil || who == nil || who.Scheme != "sigv4" || who.Subject != "ann" {
			t.Errorf("%s: %+v, %v", r.Target, who, err)
		}
	}
}

// AWS's test suite for Signature Version 4, those of its requests that a gateway can see.
func TestSuiteOfAWS(t *testing.T) {
	for _, c := range []struct {
		name, target, signature string
		header                  []string // of one name
	}{
		{"get-vanilla", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", nil},
		{"get-header-key-duplicate", "/", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea", []string{"value2", "value2", "value1"}},
		{"get-header-value-order", "/", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01", []string{"value4", "value1", "value3", "value2"}},
		{"get-unreserved", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f", nil},
		{"get-utf8", "/\u1234", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85", nil},
		{"get-vanilla-empty-query-key", "/?Param1=value1", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb", nil},
		{"get-vanilla-query-order-key-case", "/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500", nil},
		{"get-vanilla-query-unreserved", "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197", nil},
		{"get-vanilla-utf8-query", "/?\u1234=bar", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04", nil},
	} {
		r := &auth.Request{Method: "GET", Target: c.target, Host: "example.amazonaws.com", Header: http.Header{"X-Amz-Date": {"20150830T123600Z"}}}
		signed := "host;x-amz-date"
		if c.header != nil {
			r.Header.(http.Header)["My-Header1"], signed = c.header, "host;my-header1;x-amz-date"
		}
		got, err := auth.SuiteSignature(r, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830T123600Z", signed)
		if err != nil || got != c.signature {
			t.Errorf("%s: %s, %v", c.name, got, err)
		}
	}
}

// What S3 refuses of a signed request, one fault at a time.
func TestSignedRequestsAreRefused(t *testing.T) {
	good := func() *auth.Request {
		return exampleRequest("/?max-keys=2&prefix=J", "host;x-amz-content-sha256;x-amz-date", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
	}
	s := newSigV4(t, exampleTime)
	if why := refused(t, s, good()); why != "" {
		t.Fatal(why)
	}
	replace := func(old, new string) func(*auth.Request, http.Header) {
		return func(_ *auth.Request, h http.Header) {
			if !strings.Contains(h.Get("Authorization"), old) {
				t.Errorf("nothing to replace: %s", old)
			}
			h.Set("Authorization", strings.Replace(h.Get("Authorization"), old, new, 1))
		}
	}
	for name, c := range map[string]struct {
		change func(*auth.Request, http.Header)
		reason string
	}{
		"no signature at all":         {func(_ *auth.Request, h http.Header) { h.Del("Authorization") }, "nobody"},
		"a bearer token":              {func(_ *auth.Request, h http.Header) { h.Set("Authorization", "Bearer x") }, "nobody"},
		"SigV2":                       {func(_ *auth.Request, h http.Header) { h.Set("Authorization", "AWS AKID:c2ln") }, auth.Unsupported},
		"SigV4A":                      {replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), auth.Unsupported},
		"nothing after the algorithm": {func(_ *auth.Request, h http.Header) { h.Set("Authorization", "AWS4-HMAC-SHA256") }, auth.BadRequestSignature},
		"two Authorizations":          {func(_ *auth.Request, h http.Header) { h.Add("Authorization", "Bearer x") }, auth.TwoCredentials},
		"and a presigned URL":         {func(r *auth.Request, _ http.Header) { r.Target += "&X-Amz-Signature=0" }, auth.TwoCredentials},
		"a session token":             {func(_ *auth.Request, h http.Header) { h.Set("X-Amz-Security-Token", "t") }, auth.Unsupported},
		"an unknown key":              {replace(exampleKey, "AKIDNOBODY"), auth.UnknownKey},
		"another's key":               {replace(exampleKey, "AKIDOTHER"), auth.BadSignature},
		"another service":             {replace("/s3/", "/sts/"), auth.BadRequestSignature},
		"another terminator":          {replace("aws4_request", "aws5_request"), auth.BadRequestSignature},
		"another region":              {replace("us-east-1", "us-east-2"), auth.BadSignature},
		"no region":                   {replace("us-east-1", ""), auth.BadRequestSignature},
		"another day":                 {replace("/20130524/", "/20130523/"), auth.BadRequestSignature},
		"a longer scope":              {replace("/s3/", "/s3/s3/"), auth.BadRequestSignature},
		"host not signed":             {replace("host;", ""), auth.BadRequestSignature},
		"date not signed":             {replace(";x-amz-date", ""), auth.BadRequestSignature},
		"upper case":                  {replace("host;", "Host;"), auth.BadRequestSignature},
		"not sorted":                  {replace("host;x-amz-content-sha256;", "x-amz-content-sha256;host;"), auth.BadRequestSignature},
		"host twice":                  {replace("host;", "host;host;"), auth.BadRequestSignature},
		"a header that is not there":  {replace("host;", "host;range;"), auth.BadRequestSignature},
		"an unsigned x-amz header":    {func(_ *auth.Request, h http.Header) { h.Set("X-Amz-Meta-A", "b") }, auth.BadRequestSignature},
		"a field twice":               {replace("SignedHeaders=", "SignedHeaders=host,SignedHeaders="), auth.BadRequestSignature},
		"a field more":                {replace("SignedHeaders=", "Extra=x,SignedHeaders="), auth.BadRequestSignature},
		"no signature":                {replace("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7", "Signature="), auth.BadRequestSignature},
		"upper case hex":              {replace("Signature=34b4", "Signature=34B4"), auth.BadSignature},
		"a shorter signature":         {replace("dc6f7", "dc6f"), auth.BadSignature},
		"no date":                     {func(_ *auth.Request, h http.Header) { h.Del("X-Amz-Date") }, auth.BadRequestSignature},
		"two dates":                   {func(_ *auth.Request, h http.Header) { h.Add("X-Amz-Date", "20130524T000000Z") }, auth.BadRequestSignature},
		"a finer date":                {func(_ *auth.Request, h http.Header) { h.Set("X-Amz-Date", "20130524T000000.5Z") }, auth.BadRequestSignature},
		"no hash":                     {func(_ *auth.Request, h http.Header) { h.Del("X-Amz-Content-Sha256") }, auth.BadRequestSignature},
		"another hash":                {func(_ *auth.Request, h http.Header) { h.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64)) }, auth.BadSignature},
		"a word for a hash":           {func(_ *auth.Request, h http.Header) { h.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, auth.BadSignature},
		"no word for a hash": {func(_ *auth.Request, h http.Header) {
			h.Set("X-Amz-Content-Sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD")
		}, auth.BadRequestSignature},
		"HEAD":                   {func(r *auth.Request, _ http.Header) { r.Method = "HEAD" }, auth.BadSignature},
		"another host":           {func(r *auth.Request, _ http.Header) { r.Host = "other.s3.amazonaws.com" }, auth.BadSignature},
		"a port":                 {func(r *auth.Request, _ http.Header) { r.Host += ":80" }, auth.BadSignature},
		"another path":           {func(r *auth.Request, _ http.Header) { r.Target = "/o" + r.Target[1:] }, auth.BadSignature},
		"one parameter more":     {func(r *auth.Request, _ http.Header) { r.Target += "&x" }, auth.BadSignature},
		"an escape that is none": {func(r *auth.Request, _ http.Header) { r.Target += "&x=%zz" }, auth.BadRequestSignature},
		"a version":              {func(r *auth.Request, _ http.Header) { r.Target += "&versionId=3" }, auth.BadSignature},
		"an override":            {func(r *auth.Request, _ http.Header) { r.Target += "&response-content-type=text/html" }, auth.BadSignature},
	} {
		r := good()
		c.change(r, r.Header.(http.Header))
		if why := refused(t, s, r); why != c.reason {
			t.Errorf("%s: refused for %q, want %q", name, why, c.reason)
		}
	}
}

// Date serves where X-Amz-Date is missing, in both of its forms.
func TestDateOfASignature(t *testing.T) {
	for _, value := range []string{"Fri, 24 May 2013 00:00:00 GMT", "20130524T000000Z"} {
		r := &auth.Request{Method: "GET", Target: "/b/o", Host: "h", Header: http.Header{"Date": {value}, "X-Amz-Content-Sha256": {"UNSIGNED-PAYLOAD"}}}
		signature := signByHand(r, exampleSecret, "20130524T000000Z", "date;host;x-amz-content-sha256", "/b/o", "", "UNSIGNED-PAYLOAD")
		r.Header.(http.Header).Set("Authorization", "AWS4-HMAC-SHA256 Credential="+exampleKey+"/20130524/eu/s3/aws4_request, SignedHeaders=date;host;x-amz-content-sha256, Signature="+signature)
		if why := refused(t, newSigV4(t, exampleTime), r); why != "" {
			t.Errorf("%s: %s", value, why)
		}
		if why := refused(t, newSigV4(t, exampleTime.Add(time.Hour)), r); why != auth.Skewed {
			t.Errorf("%s, an hour later: %s", value, why)
		}
	}
}

// A signature in the header holds for as long as clocks may differ, one in a URL from
// then until it expires.
func TestTimesOfSignatures(t *testing.T) {
	header := exampleRequest("/?lifecycle", "host;x-amz-content-sha256;x-amz-date", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
	presigned := &auth.Request{Method: "GET", Target: examplePresigned, Host: "examplebucket.s3.amazonaws.com", Header: http.Header{}}
	const skew = 15 * time.Minute
	for _, c := range []struct {
		after             time.Duration
		header, presigned string
	}{
		{-skew - time.Second, auth.Skewed, auth.Skewed},
		{-skew, "", ""},
		{0, "", ""},
		{skew, "", ""},
		{skew + time.Second, auth.Skewed, ""},
		{24*time.Hour - time.Second, auth.Skewed, ""},
		{24 * time.Hour, auth.Skewed, auth.Expired},
	} {
		s := newSigV4(t, exampleTime.Add(c.after))
		if why := refused(t, s, header); why != c.header {
			t.Errorf("header, after %v: %q, want %q", c.after, why, c.header)
		}
		if why := refused(t, s, presigned); why != c.presigned {
			t.Errorf("presigned, after %v: %q, want %q", c.after, why, c.presigned)
		}
	}
}

// What S3 refuses of a presigned URL, one fault at a time.
func TestPresignedURLsAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ old, new, reason string }{
		"another path":          {"/test.txt", "/text.txt", auth.BadSignature},
		"another signature":     {"Signature=aeee", "Signature=aeef", auth.BadSignature},
		"a longer life":         {"86400", "86401", auth.BadSignature},
		"no life":               {"86400", "0", auth.BadRequestSignature},
		"less than none":        {"86400", "-1", auth.BadRequestSignature},
		"more than a week":      {"86400", "604801", auth.BadRequestSignature},
		"a life without end":    {"86400", "99999999999999999999", auth.BadRequestSignature},
		"a life in words":       {"86400", "1d", auth.BadRequestSignature},
		"an empty life":         {"86400", "", auth.BadRequestSignature},
		"life not there":        {"&X-Amz-Expires=86400", "", auth.BadRequestSignature},
		"life twice":            {"&X-Amz-Expires=86400", "&X-Amz-Expires=86400&X-Amz-Expires=86400", auth.BadRequestSignature},
		"another date":          {"20130524T000000Z", "20130524T000001Z", auth.BadSignature},
		"another day":           {"20130524T000000Z", "20130523T235959Z", auth.BadRequestSignature},
		"an unknown key":        {"EXAMPLE%2F", "NOBODY%2F", auth.UnknownKey},
		"SigV4A":                {"AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", auth.Unsupported},
		"SigV2":                 {"X-Amz-Algorithm=AWS4-HMAC-SHA256", "AWSAccessKeyId=AKID&Signature=x&Expires=1", auth.Unsupported},
		"a session token":       {"&X-Amz-Date", "&X-Amz-Security-Token=t&X-Amz-Date", auth.Unsupported},
		"other headers":         {"SignedHeaders=host", "SignedHeaders=host%3Brange", auth.BadRequestSignature},
		"no host":               {"SignedHeaders=host", "SignedHeaders=range", auth.BadRequestSignature},
		"a line more":           {"SignedHeaders=host", "SignedHeaders=host%0Ax:y", auth.BadRequestSignature},
		"one parameter more":    {"&X-Amz-Date", "&x=y&X-Amz-Date", auth.BadSignature},
		"a version":             {"&X-Amz-Date", "&versionId=1&X-Amz-Date", auth.BadSignature},
		"an override":           {"&X-Amz-Date", "&response-content-type=text/html&X-Amz-Date", auth.BadSignature},
		"a hash":                {"&X-Amz-Date", "&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&X-Amz-Date", auth.BadSignature},
		"other spelling":        {"X-Amz-Signature", "x-amz-signature", auth.BadRequestSignature},
		"the signature alone":   {examplePresigned, "/test.txt?X-Amz-Signature=x", auth.BadRequestSignature},
		"the key alone, hidden": {examplePresigned, "/test.txt?X%2DAmz-Credential=x", auth.BadRequestSignature},
	} {
		if !strings.Contains(examplePresigned, c.old) {
			t.Errorf("%s: nothing to replace", name)
		}
		r := &auth.Request{Method: "GET", Target: strings.ReplaceAll(examplePresigned, c.old, c.new), Host: "examplebucket.s3.amazonaws.com", Header: http.Header{}}
		if why := refused(t, newSigV4(t, exampleTime.Add(time.Minute)), r); why != c.reason {
			t.Errorf("%s: refused for %q, want %q", name, why, c.reason)
		}
	}
	head := &auth.Request{Method: "HEAD", Target: examplePresigned, Host: "examplebucket.s3.amazonaws.com", Header: http.Header{}}
	if why := refused(t, newSigV4(t, exampleTime), head); why != auth.BadSignature {
		t.Errorf("HEAD: %s", why)
	}
	head.Method = "GET"
	head.Header.(http.Header).Set("X-Amz-Security-Token", "t")
	if why := refused(t, newSigV4(t, exampleTime), head); why != auth.Unsupported {
		t.Errorf("a session token: %s", why)
	}
}

func TestKeysOfSigV4(t *testing.T) {
	for name, keys := range map[string][]auth.SigV4Key{
		"no access key": {{Secret: "s"}},
		"no secret":     {{AccessKey: "a"}},
		"one twice":     {{AccessKey: "a", Secret: "s"}, {AccessKey: "a", Secret: "t"}},
	} {
		if _, err := auth.NewSigV4(keys, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
