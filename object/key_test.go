package object

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func keys() *rapid.Generator[Key] {
	return rapid.Custom(func(t *rapid.T) Key {
		return Key{Bucket: rapid.String().Draw(t, "bucket"), Name: rapid.String().Draw(t, "name"), Version: rapid.String().Draw(t, "version"), Part: rapid.IntRange(0, MaxPart).Draw(t, "part"), Place: rapid.Uint64().Draw(t, "place")}
	})
}

func TestKeyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := keys().Draw(t, "key")
		prefix := []byte("kept")
		b := k.AppendCanonical(prefix)
		if !bytes.HasPrefix(b, prefix) {
			t.Fatal("what was there is gone")
		}
		got, err := ParseKey(b[len(prefix):])
		if err != nil || got != k {
			t.Fatalf("%+v, %v", got, err)
		}
		if other := keys().Draw(t, "other"); other != k {
			if bytes.Equal(other.AppendCanonical(nil), b[len(prefix):]) || other.Hash() == k.Hash() {
				t.Fatalf("%+v and %+v collide", k, other)
			}
		}
	})
}

// The parts of a key do not run into each other.
func TestKeysThatLookAlike(t *testing.T) {
	alike := []Key{
		{"a", "b", "", 0, 0},
		{"", "ab", "", 0, 0},
		{"ab", "", "", 0, 0},
		{"a", "", "b", 0, 0},
		{"", "", "ab", 0, 0},
		{"a\x01b", "", "", 0, 0},
		{"a", "\x01b", "", 0, 0},
		{"a", "b", "\x00", 0, 0},
		{"a", "b", "", 1, 0},
		{"a", "b", "\x01", 0, 0},
		{"a", "b", "", 128, 0},
	}
	hashes, placed := map[Hash]Key{}, map[uint64]Key{}
	for _, k := range alike {
		if other, taken := hashes[k.Hash()]; taken {
			t.Errorf("%+v and %+v have one hash", k, other)
		}
		hashes[k.Hash()] = k
		for extent := range int64(3) {
			at := k.ExtentHash(extent)
			if other, taken := placed[at]; taken {
				t.Errorf("extent %d of %+v lies where one of %+v does", extent, k, other)
			}
			placed[at] = k
		}
	}
}

// The hash is on disks, the place on the ring is every node's: neither may ever
// change.
func TestKeyHashIsForever(t *testing.T) {
	k := Key{Bucket: "products", Name: "a/b c", Version: "v1"}
	if got := string(k.AppendCanonical(nil)); got != "\x08products\x05a/b c\x02v1" {
		t.Errorf("canonical bytes %q", got)
	}
	if got := hexOf(k.Hash()); got != "bdc9db24dd1adb31403aac430d7d2253" {
		t.Errorf("hash %s", got)
	}
	if got := k.ExtentHash(1); got != 0x94850c70f114122d {
		t.Errorf("extent hash %#x", got)
	}
}

func hexOf(h Hash) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, c := range h {
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

func TestParseKeyRefuses(t *testing.T) {
	whole := Key{"b", "n", "v", 0, 0}.AppendCanonical(nil)
	for n := range whole {
		if k, err := ParseKey(whole[:n]); err == nil {
			t.Errorf("the first %d bytes make %+v", n, k)
		}
	}
	long := binary.AppendUvarint(nil, maxKeyPart+1)
	long = append(long, make([]byte, maxKeyPart+1)...)
	for name, b := range map[string][]byte{
		"a byte too many":   append(bytes.Clone(whole), 0),
		"half a place":      append(bytes.Clone(whole), 0, 1, 2, 3, 4),
		"no place":          append(bytes.Clone(whole), 0, 0, 0, 0, 0, 0, 0, 0, 0),
		"bytes too many":    append(bytes.Clone(whole), 3, 3),
		"too high a part":   binary.AppendUvarint(bytes.Clone(whole), MaxPart+1),
		"a part too long":   append(long, 0, 0),
		"an endless length": bytes.Repeat([]byte{0xff}, 20),
		"a huge length":     binary.AppendUvarint(nil, 1<<63),
	} {
		if k, err := ParseKey(b); err == nil {
			t.Errorf("%s makes %+v", name, k)
		}
	}
}

func FuzzKey(f *testing.F) {
	f.Add(Key{"b", "n", "v", 3, 7}.AppendCanonical(nil))
	f.Add([]byte{0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ParseKey(b)
		if err != nil {
			return
		}
		if again, err := ParseKey(k.AppendCanonical(nil)); err != nil || again != k {
			t.Fatalf("%+v, then %+v, %v", k, again, err)
		}
	})
}

func TestKeyHashDoesNotAllocate(t *testing.T) {
	k := Key{Bucket: "products", Name: strings.Repeat("n", 200), Version: "v1"}
	if n := testing.AllocsPerRun(100, func() { _ = k.Hash(); _ = k.ExtentHash(3) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestKeyString(t *testing.T) {
	for want, k := range map[string]Key{"b:n": {"b", "n", "", 0, 0}, "b:n?versionId=v": {"b", "n", "v", 0, 0}, "b:n?versionId=v?partNumber=3": {"b", "n", "v", 3, 0}} {
		if k.String() != want {
			t.Errorf("%q, want %q", k, want)
		}
	}
}
