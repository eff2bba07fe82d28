package pattern

import (
	"bytes"
	"strings"
	"testing"
)

func TestAnyPieceIsTheSameAsTheWhole(t *testing.T) {
	o := Object{Bucket: "b", Key: "k", Version: "1", Size: 3*BlockBytes + 100}
	whole := o.Bytes(0, o.Size)
	for _, cut := range [][2]int64{{0, 0}, {0, 1}, {1, 2}, {4095, 4097}, {100, o.Size}, {4096, 8192}, {o.Size - 1, o.Size}} {
		if !bytes.Equal(o.Bytes(cut[0], cut[1]), whole[cut[0]:cut[1]]) {
			t.Errorf("bytes %v differ from the whole's", cut)
		}
		if err := o.Check(whole[cut[0]:cut[1]], cut[0]); err != nil {
			t.Error(err)
		}
	}
	if n, err := o.CheckReader(o.Reader(), 0, o.Size); n != o.Size || err != nil {
		t.Errorf("CheckReader: %d, %v", n, err)
	}
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	o := Object{Bucket: "b", Key: "k", Version: "1", Size: 3 * BlockBytes}
	flipped := o.Bytes(0, o.Size)
	flipped[5000] ^= 1
	other := Object{Bucket: "b", Key: "k", Version: "2", Size: o.Size}
	cases := []struct {
		name string
		p    []byte
		at   int64
		want string
	}{
		{"one bit", flipped, 0, "wrong byte at 5000"},
		{"another version", other.Bytes(0, 10), 0, "wrong byte at 0"},
		{"another place", o.Bytes(4096, 8192), 0, "wrong byte at 0"},
		{"past the end", o.Bytes(0, 10), o.Size - 5, "outside"},
	}
	for _, c := range cases {
		if err := o.Check(c.p, c.at); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := o.CheckReader(bytes.NewReader(o.Bytes(0, 10)), 0, 11); err == nil {
		t.Error("a short body passed")
	}
	if _, err := o.CheckReader(bytes.NewReader(o.Bytes(0, 11)), 0, 10); err == nil {
		t.Error("a long body passed")
	}
}

func BenchmarkCheck(b *testing.B) {
	o := Object{Bucket: "b", Key: "k", Size: 1 << 20}
	p := o.Bytes(0, o.Size)
	b.SetBytes(o.Size)
	for b.Loop() {
		if err := o.Check(p, 0); err != nil {
			b.Fatal(err)
		}
	}
}
