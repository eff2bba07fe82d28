package origin

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
	"rookery/object"
)

var anyList = &object.Query{Operation: object.ListObjectsV2}

func TestRewrite(t *testing.T) {
	const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	deep := strings.Repeat("<a>", maxDepth) + strings.Repeat("</a>", maxDepth)
	cases := []struct{ name, text, want string }{ // "" is refused
		{
			"a list", head + `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>acme</Name><Prefix></Prefix><Marker/></ListBucketResult>`,
			head + `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>a&amp;b</Name><Prefix></Prefix><Marker/></ListBucketResult>`,
		},
		{
			"names of other things", `<ListBucketResult><Name>acme</Name><Contents><Key>k</Key><Name>n</Name></Contents></ListBucketResult>`,
			`<ListBucketResult><Name>a&amp;b</Name><Contents><Key>k</Key><Name>n</Name></Contents></ListBucketResult>`,
		},
		{"no name", "<ListBucketResult></ListBucketResult>\n", "<ListBucketResult></ListBucketResult>\n"},
		{"an empty root", "<ListBucketResult />", "<ListBucketResult />"},
		{
			"references that XML does not know", "<ListBucketResult><Name>x</Name><Contents><Key>&#x1;&amp;</Key></Contents></ListBucketResult>",
			"<ListBucketResult><Name>a&amp;b</Name><Contents><Key>&#x1;&amp;</Key></Contents></ListBucketResult>",
		},
		{
			"comments and quotes", `<!-- <Name> --><ListBucketResult a='>' b="'"><Name >x</Name ></ListBucketResult><!-- -->`,
			`<!-- <Name> --><ListBucketResult a='>' b="'"><Name >a&amp;b</Name ></ListBucketResult><!-- -->`,
		},
		{"a tag over lines", "<ListBucketResult\n a='b'\n><Name\n>x</Name\n></ListBucketResult>", "<ListBucketResult\n a='b'\n><Name\n>a&amp;b</Name\n></ListBucketResult>"},

		{"nothing", "", ""},
		{"text", "hello", ""},
		{"another root", "<Error><Code>x</Code></Error>", ""},
		{"HTML", "<!DOCTYPE html><html></html>", ""},
		{"a DOCTYPE", `<!DOCTYPE l [<!ENTITY a "b">]><ListBucketResult>&a;</ListBucketResult>`, ""},
		{"CDATA", "<ListBucketResult><Name><![CDATA[</Name>]]></Name></ListBucketResult>", ""},
		{"cut short", "<ListBucketResult><Name>acme</Name>", ""},
		{"cut within a tag", "<ListBucketResult><Name", ""},
		{"cut within a value", `<ListBucketResult a="`, ""},
		{"wrongly nested", "<ListBucketResult><Name>acme</ListBucketResult></Name>", ""},
		{"ended twice", "<ListBucketResult></ListBucketResult></ListBucketResult>", ""},
		{"a second root", "<ListBucketResult></ListBucketResult><ListBucketResult></ListBucketResult>", ""},
		{"text behind", "<ListBucketResult></ListBucketResult>HTTP/1.1 200 OK", ""},
		{"too deep", "<ListBucketResult>" + deep + "</ListBucketResult>", ""},
		{"not UTF-8", "<ListBucketResult>\xff</ListBucketResult>", ""},
		{"an odd name", "<ListBucketResult><a&b></a&b></ListBucketResult>", ""},
		{"an endless comment", "<ListBucketResult><!-- ", ""},
	}
	for _, c := range cases {
		got, err := rewrite([]byte(c.text), anyList, "a&b")
		switch {
		case c.want == "" && !errors.Is(err, errDocument):
			t.Errorf("%s: %s, %v", c.name, got, err)
		case c.want != "" && (err != nil || string(got) != c.want):
			t.Errorf("%s: %s, %v; want %s", c.name, got, err, c.want)
		}
	}
}

// A name beyond the prefix does not leave: it is what the reader was let in for.
func TestOnlyWhatBeginsWithThePrefixIsListed(t *testing.T) {
	for _, c := range []struct {
		prefix  string
		encoded bool
		key     string
		good    bool
	}{
		{"", false, "anything &#x1;", true},
		{"users/7/", false, "users/7/a", true},
		{"users/7/", false, "users/7/", true},
		{"users/7/", false, "users/8/a", false},
		{"users/7/", false, "users/7", false},
		{"users/7/", true, "users%2F7%2Fa", true},
		{"users/7/", true, "users%2F8%2Fa", false},
		{"users/7/", false, "users%2F7%2Fa", false},
		{"a b", true, "a+b", true},
		{"a b", true, "a%20b", true},
		{"a+b", true, "a+b", true},
		{"a+b", true, "a%2Bb", true},
		{"a+b", true, "a%20b", false},
		{"%", true, "%25", true},
		{"%", true, "%zz", true}, // by a server that does not encode
		{"names/", true, "names/100%", true},
		{"names/", true, "name/100%", false},
		{"a&<", false, "a&amp;&lt;b", true},
		{"a&", false, "a&unknown;", false},
		{"\u20ac\"", false, "&#8364;&#x22;", true},
		{"a\x01", false, "a\ufffd", true}, // XML cannot say it
		{"a\x01", true, "a%02", false},
	} {
		for _, frame := range []string{"<Contents><Key>%s</Key></Contents>", "<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>"} {
			text := "<ListBucketResult><Name>b</Name><Prefix>x</Prefix>" + fmt.Sprintf(frame, c.key) + "</ListBucketResult>"
			q := *anyList
			q.List = object.List{Prefix: c.prefix, URLEncoded: c.encoded}
			if _, err := rewrite([]byte(text), &q, "r"); (err == nil) != c.good {
				t.Errorf("%q in a list of %q: %v", c.key, c.prefix, err)
			}
		}
	}
}

// What is taken and is XML to others, too, has the bucket's name and is otherwise the
// same to them.
func FuzzRewrite(f *testing.F) {
	f.Add("<ListBucketResult><Name>x</Name><Contents><Key>&lt;</Key></Contents></ListBucketResult>")
	f.Add(`<?xml version="1.0"?><!-- a --><ListBucketResult xmlns="u" a='>'><Name/><Name>y</Name></ListBucketResult>`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := rewrite([]byte(text), anyList, "ours")
		if err != nil {
			return
		}
		type list struct {
			XMLName  xml.Name
			Name     []string
			Contents []struct{ Key string }
			Rest     []struct {
				XMLName xml.Name
				Inner   string `xml:",innerxml"`
			} `xml:",any"`
		}
		var before, after list
		if xml.Unmarshal([]byte(text), &before) != nil {
			return
		}
		if err := xml.Unmarshal(got, &after); err != nil {
			t.Fatalf("%q became %q: %v", text, got, err)
		}
		for i, name := range after.Name {
			if name != "ours" && before.Name[i] != "" {
				t.Fatalf("%q became %q", text, got)
			}
		}
		before.Name, after.Name = nil, nil
		if fmt.Sprint(before) != fmt.Sprint(after) {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

// A query over the wire: what is asked is asked as S3 wants it, and what is odd is no
// answer.
func TestQueries(t *testing.T) {
	s := script(t, 7, s3test.Meta{Tags: [][2]string{{"a", "b"}}}, nil)
	s.Put(pattern.Object{Bucket: "b", Key: "dir/sp ace+plus&", Size: 1}, s3test.Meta{})
	list := object.Query{Operation: object.ListObjectsV2, Key: object.Key{Bucket: "route"}, List: object.List{
		Prefix: "dir/sp ", Delimiter: "&", After: "a+b", Token: "", MaxKeys: 5, URLEncoded: true, FetchOwner: true, RestoreStatus: true,
	}}
	d, err := s.Query(within(t), list)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<Name>route</Name>", "<CommonPrefixes><Prefix>dir/sp+ace%2Bplus%26</Prefix></CommonPrefixes>", "<MaxKeys>5</MaxKeys>", "<StartAfter>a%2Bb</StartAfter>"} {
		if !strings.Contains(string(d.Text), want) {
			t.Errorf("no %s in %s", want, d.Text)
		}
	}
	asked := s.Queries("b")[0]
	if asked.Header.Get("X-Amz-Optional-Object-Attributes") != "RestoreStatus" || !strings.Contains(asked.Target, "fetch-owner=true") || asked.Header.Get("Authorization") == "" {
		t.Errorf("asked for %s, %v", asked.Target, asked.Header)
	}
	for operation, want := range map[object.Operation]string{object.GetObjectTagging: "<Key>a</Key>", object.GetObjectAttributes: "<ObjectSize>7</ObjectSize>"} {
		d, err := s.Query(within(t), object.Query{Operation: operation, Key: s.key, Attributes: object.Attributes{Names: "ETag,ObjectSize", MaxParts: 3, PartsFrom: 2}})
		if err != nil || !strings.Contains(string(d.Text), want) {
			t.Errorf("%d: %v, %+v", operation, err, d)
		}
	}
	v1 := list
	v1.Operation = object.ListObjects
	for name, step := range map[string]s3test.Step{
		"another document": {Text: "<Error><Code>InternalError</Code></Error>"},
		"a redirect":       s3test.Redirect(301, "http://elsewhere.test/"),
		"too large":        {Text: "<ListBucketResult>" + strings.Repeat(" ", object.MaxDocumentBytes) + "</ListBucketResult>"},
		"cut":              {End: &s3test.End{After: 50, How: s3test.Reset}},
		"chunked and cut":  {NoLength: true, End: &s3test.End{After: 50, How: s3test.Cut}},
		"no content":       {Status: 204},
	} {
		s.Script("b", "", step)
		if d, err := s.Query(within(t), v1); err == nil {
			t.Errorf("%s: %s", name, d.Text)
		}
	}
	if _, err := s.Query(within(t), object.Query{Operation: object.GetObjectTagging, Key: object.Key{Bucket: "route"}}); asOriginError(err) == nil {
		t.Errorf("the tags of no object: %v", err)
	}
}
