package object

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func sampleInfo() Info {
	return Info{
		Version: VersionOf(`"abc"`, 42), Size: 42, ETag: `"abc"`,
		LastModified: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC),
		Validated:    time.Date(2026, 3, 1, 11, 0, 0, 123456789, time.UTC),
		Header:       []Field{{"Content-Type", "text/plain"}, {"X-Amz-Meta-Empty", ""}, {"Vary", "a"}, {"Vary", "b"}, {"X-Amz-Meta-Odd", "\x00\u20ac\xff"}},
		Note:         Note{Council: [16]byte{1, 2, 3}, Applied: 77},
	}
}

func TestInfoRoundTrip(t *testing.T) {
	full := sampleInfo()
	empty := Info{Header: []Field{}}
	behind := full
	behind.Replica = true
	local := full
	local.LastModified = full.LastModified.In(time.FixedZone("x", 3600))
	for name, c := range map[string]struct{ in, want Info }{"full": {full, full}, "empty": {empty, empty}, "of a replica": {behind, behind}, "times become UTC": {local, full}} {
		b, err := c.in.Append([]byte("kept"))
		if err != nil || !bytes.HasPrefix(b, []byte("kept")) {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := DecodeInfo(b[4:])
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n%+v, %v, want\n%+v", name, got, err, c.want)
		}
	}
}

func TestDecodedInfoSharesNothing(t *testing.T) {
	in := sampleInfo()
	b, err := in.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeInfo(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if !reflect.DeepEqual(got, in) {
		t.Errorf("%+v changed with the bytes that it was read from", got)
	}
}

func TestInfoTooLarge(t *testing.T) {
	many := sampleInfo()
	many.Header = make([]Field, maxInfoFields+1)
	long := sampleInfo()
	long.Header = []Field{{"X", strings.Repeat("v", MaxInfoBytes)}}
	for name, i := range map[string]Info{"fields": many, "bytes": long} {
		b, err := i.Append([]byte("kept"))
		if !errors.Is(err, ErrInfoTooLarge) || string(b) != "kept" {
			t.Errorf("too many %s: %d bytes, %v", name, len(b), err)
		}
	}
	fits := sampleInfo()
	fits.Header = nil
	b, err := fits.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	// Name, value and their lengths: one byte for the name's, three for the value's.
	fits.Header = []Field{{"X", strings.Repeat("v", MaxInfoBytes-len(b)-1-1-3)}}
	if b, err = fits.Append(nil); err != nil || len(b) != MaxInfoBytes {
		t.Fatalf("the largest info: %d bytes, %v", len(b), err)
	}
	if _, err := DecodeInfo(b); err != nil {
		t.Errorf("the largest info does not decode: %v", err)
	}
}

func TestDecodeInfoRefuses(t *testing.T) {
	in := sampleInfo()
	whole, err := in.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := DecodeInfo(whole[:n]); err == nil {
			t.Errorf("the first %d bytes of %d decode", n, len(whole))
		}
	}
	change := func(at int, to byte) []byte {
		b := bytes.Clone(whole)
		b[at] = to
		return b
	}
	for name, b := range map[string][]byte{
		"a byte too many": append(bytes.Clone(whole), 0),
		"another format":  change(0, replicaFormat+1),
		"a negative size": change(17+7, 0x80),
	} {
		if i, err := DecodeInfo(b); err == nil {
			t.Errorf("%s decodes: %+v", name, i)
		}
	}
}

func FuzzInfo(f *testing.F) {
	in := sampleInfo()
	seed, err := in.Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(make([]byte, infoFixedBytes+2))
	f.Add([]byte{infoFormat})
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := DecodeInfo(b)
		if err != nil {
			return
		}
		if i.Size < 0 || len(i.Header) > maxInfoFields {
			t.Fatalf("%+v", i)
		}
		again, err := i.Append(nil)
		if err != nil {
			t.Fatalf("what decoded does not encode: %v", err)
		}
		second, err := DecodeInfo(again)
		if err != nil || !reflect.DeepEqual(i, second) {
			t.Fatalf("%+v, then %+v, %v", i, second, err)
		}
	})
}

func TestVersions(t *testing.T) {
	v := VersionOf(`"a"`, 1)
	for name, other := range map[string]Version{"etag": VersionOf(`"b"`, 1), "size": VersionOf(`"a"`, 2), "unique": OnlyVersion()} {
		if other == v {
			t.Errorf("another %s, the same version", name)
		}
	}
	if v != VersionOf(`"a"`, 1) {
		t.Error("the same ETag and size make two versions")
	}
	if OnlyVersion() == OnlyVersion() {
		t.Error("two only versions are one")
	}
}

func TestStrongETag(t *testing.T) {
	for etag, want := range map[string]bool{`"a"`: true, `"a-2"`: true, `W/"a"`: false, `a`: false, ``: false, `"`: false, `""`: false, `"a`: false, `a"`: false, `"a"b"`: false} {
		info := Info{ETag: etag}
		pin := info.Pin()
		if StrongETag(etag) != want || info.Strong() != want || pin.Strong() != want {
			t.Errorf("%q: strong is %t, want %t", etag, StrongETag(etag), want)
		}
	}
}

func TestInfoGetAndPin(t *testing.T) {
	i := sampleInfo()
	if i.Get("Vary") != "a" || i.Get("X-None") != "" {
		t.Errorf("%q, %q", i.Get("Vary"), i.Get("X-None"))
	}
	if want := (Pin{Version: i.Version, Size: 42, ETag: `"abc"`, Note: i.Note}); i.Pin() != want {
		t.Errorf("%+v, want %+v", i.Pin(), want)
	}
}
