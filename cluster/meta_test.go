package cluster

import (
	"bytes"
	"strings"
	"testing"

	"github.com/hashicorp/memberlist"

	"rookery/ring"
)

func sampleMeta() meta {
	return meta{
		state: Ready, protocol: 300, protocolMin: 2, council: [16]byte{1, 15: 9},
		zone: "eu-1a", version: "v0.1.0", peerAddress: "[fd00::1]:7947", fingerprint: ring.Fingerprint(), disk: [16]byte{3, 15: 7},
	}
}

func TestMetaRoundTrip(t *testing.T) {
	for _, m := range []meta{{}, sampleMeta(), {zone: strings.Repeat("z", 300), state: Draining}} {
		got, err := decodeMeta(m.encode())
		if err != nil || got != m {
			t.Errorf("%+v came back as %+v, %v", m, got, err)
		}
	}
	m := sampleMeta()
	if got, err := decodeMeta(append(m.encode(), "a field of the future"...)); err != nil || got != m {
		t.Errorf("with an appended field: %+v, %v", got, err)
	}
	older := m.encode()
	older, m.disk = older[:len(older)-len(m.disk)], [16]byte{}
	if got, err := decodeMeta(older); err != nil || got != m {
		t.Errorf("of a node that names no disk: %+v, %v", got, err)
	}
}

// The format is spoken between versions of the program.
func TestMetaGolden(t *testing.T) {
	m := meta{
		state: Draining, protocol: 0x0102, protocolMin: 1, council: [16]byte{0xc0, 15: 0x0c},
		zone: "z", version: "v1", peerAddress: "a:1", fingerprint: "ring", disk: [16]byte{0xd1, 15: 0x1d},
	}
	want := "\x01\x02\x02\x01\x01\x00\xc0" + strings.Repeat("\x00", 14) + "\x0c\x01z\x02v1\x03a:1\x04ring" + "\xd1" + strings.Repeat("\x00", 14) + "\x1d"
	if got := m.encode(); string(got) != want {
		t.Errorf("encoded as %q, want %q", got, want)
	}
}

func TestMalformedMeta(t *testing.T) {
	good := sampleMeta()
	encoded := good.encode()
	edit := func(at int, b byte) []byte {
		out := bytes.Clone(encoded)
		out[at] = b
		return out
	}
	cases := map[string][]byte{
		"empty":            nil,
		"too long":         append(bytes.Clone(encoded), make([]byte, memberlist.MetaMaxSize)...),
		"another format":   edit(0, 2),
		"an unknown state": edit(1, byte(Failed)),
		"length past end":  edit(metaFixedBytes, 0x7f),
		"endless varint":   append(bytes.Clone(encoded[:metaFixedBytes]), bytes.Repeat([]byte{0xff}, 12)...),
		"huge length":      append(bytes.Clone(encoded[:metaFixedBytes]), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
	}
	for n := range encoded {
		if n == len(encoded)-len(good.disk) {
			continue // a node that names no disk
		}
		if _, err := decodeMeta(encoded[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were accepted", n, len(encoded))
		}
	}
	for name, b := range cases {
		if m, err := decodeMeta(b); err == nil || m != (meta{}) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func FuzzDecodeMeta(f *testing.F) {
	m := sampleMeta()
	f.Add(m.encode())
	f.Add([]byte{})
	f.Add([]byte{metaFormat, 1, 0xff, 0xff})
	f.Add(append(m.encode()[:metaFixedBytes], 0xff, 0xff, 0xff, 0xff, 0x0f))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMeta(b)
		if err != nil {
			return
		}
		if again, err := decodeMeta(m.encode()); err != nil || again != m {
			t.Fatalf("%+v does not survive a round trip: %+v, %v", m, again, err)
		}
	})
}
