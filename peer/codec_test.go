package peer

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"rookery/object"
)

// askSamples and headSamples seed the fuzzers too.
func askSamples(t testing.TB) [][]byte {
	var all [][]byte
	for _, ask := range []*object.Ask{
		{},
		{Key: object.Key{Bucket: "b", Name: "a/b", Version: "v", Part: 7}, HeadOnly: true, RequestID: "r", PassedOver: true},
		{Wish: &object.Wish{NoCache: true, MaxAge: object.NoLimit, MaxStale: object.NoLimit}},
		{Wish: &object.Wish{NoStore: true, OnlyIfCached: true, MaxStale: 5 * time.Second, MinFresh: time.Second}, Pin: &object.Pin{}},
		{
			Key: object.Key{Bucket: "b", Name: strings.Repeat("n", object.MaxNameBytes)}, OnlyIfHave: true,
			Range: object.Range{Kind: object.FromTo, First: 1, Last: math.MaxInt64}, Floor: object.Note{Applied: 1},
			Pin: &object.Pin{Size: 4, ETag: `"x"`},
		},
	} {
		b, err := appendAsk(nil, ask, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

func headSamples(t testing.TB) [][]byte {
	all := [][]byte{
		appendFailure(nil, object.ErrGone),
		appendFailure(nil, &object.OriginError{Status: 404, Code: "NoSuchKey", Message: "m", RetryAfter: 1}),
		appendFailure(nil, &object.OriginError{Status: 404, Remembered: time.Second}),
	}
	for _, full := range []bool{true, false} {
		a := &object.Answer{Info: infoOf(testObject(99)), Offset: 1, Length: 98, Source: object.SourceDisk, Stored: true, TTL: -1, Changed: full, Requested: !full, ForwardStatus: 304}
		b, err := appendHead(nil, a, full)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// TestTruncatedPayloads: no decoder takes a part for the whole, nor more than it.
func TestTruncatedPayloads(t *testing.T) {
	self := hello{protocol: 1, name: "n", want: "w", fingerprint: "f"}
	decoders := []struct {
		name    string
		samples [][]byte
		decode  func([]byte) error
		exact   bool
	}{
		{"ask", askSamples(t), func(b []byte) error { _, _, err := decodeAsk(b); return err }, true},
		{"head", headSamples(t), func(b []byte) error { _, err := decodeHead(b); return err }, true},
		{"hello", [][]byte{self.append(nil)}, func(b []byte) error { _, err := decodeHello(b); return err }, false},
	}
	for _, d := range decoders {
		for i, sample := range d.samples {
			if err := d.decode(sample); err != nil {
				t.Errorf("%s %d: %v", d.name, i, err)
			}
			for n := range sample {
				if d.decode(sample[:n]) == nil {
					t.Errorf("%s %d: decoded from %d of %d bytes", d.name, i, n, len(sample))
				}
			}
			if err := d.decode(append(bytes.Clone(sample), 0)); (err != nil) != d.exact {
				t.Errorf("%s %d: with a byte more: %v", d.name, i, err)
			}
		}
	}
}

func TestDecodeAskRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		ask  object.Ask
	}{
		{"an unknown kind of range", object.Ask{Range: object.Range{Kind: 3}}},
		{"a negative position", object.Ask{Range: object.Range{Kind: object.FromTo, First: -1}}},
		{"a negative size", object.Ask{Pin: &object.Pin{Size: -1}}},
		{"a key part that is too long", object.Ask{Key: object.Key{Name: strings.Repeat("n", 4097)}}},
	} {
		b, err := appendAsk(nil, &c.ask, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := decodeAsk(b); !errors.Is(err, errFrame) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestTheLargestAskFitsItsFrame(t *testing.T) {
	part := strings.Repeat("k", 4096)
	ask := &object.Ask{
		Key: object.Key{Bucket: part, Name: part, Version: part}, RequestID: part,
		Pin: &object.Pin{ETag: strings.Repeat("e", maxETagBytes)},
	}
	b, err := appendAsk(nil, ask, math.MaxInt64)
	if err != nil || len(b) > maxAskBytes {
		t.Fatalf("%d bytes of %d: %v", len(b), maxAskBytes, err)
	}
	got, budget, err := decodeAsk(b)
	if err != nil || got.RequestID != part[:maxRequestIDBytes] || budget != math.MaxUint32*time.Millisecond {
		t.Errorf("request id of %d bytes, budget %v: %v", len(got.RequestID), budget, err)
	}
	ask.Pin.ETag += "e"
	if _, err := appendAsk(nil, ask, 0); !errors.Is(err, errFrame) {
		t.Errorf("an ask too large: %v", err)
	}
}

func TestTheLargestHeadAndEndFitTheirFrames(t *testing.T) {
	info := object.Info{Header: []object.Field{{Name: "X", Value: strings.Repeat("v", object.MaxInfoBytes-200)}}}
	b, err := appendHead(nil, &object.Answer{Info: info}, true)
	if err != nil || len(b) > maxHeadBytes || headerBytes+maxHeadBytes > bufferBytes {
		t.Errorf("%d bytes of %d: %v", len(b), maxHeadBytes, err)
	}
	long := strings.Repeat("m", 1<<16)
	if b := appendFailure(nil, &object.OriginError{Code: long, Message: long, RetryAfter: -1, Remembered: 1 << 40}); len(b) > maxEndBytes {
		t.Errorf("a failure of %d bytes, at most %d", len(b), maxEndBytes)
	}
}

func TestHeadsThatDoNotFitTheirAsk(t *testing.T) {
	o := testObject(100)
	info := infoOf(o)
	pin := info.Pin()
	other := pin
	other.Version = object.Version{1}
	tail := object.Range{Kind: object.FromTo, First: 90, Last: 99}
	large := infoOf(testObject(2 * object.ExtentBytes))
	largePin := large.Pin()
	beyond := object.Range{Kind: object.FromTo, First: object.ExtentBytes + 5, Last: object.ExtentBytes + 9}
	for _, c := range []struct {
		name string
		ask  object.Ask
		head head
		want bool
	}{
		{"the whole", object.Ask{}, head{full: true, info: info, length: 100}, true},
		{"its first part", object.Ask{}, head{full: true, info: info, length: 1}, true},
		{"nothing", object.Ask{}, head{full: true, info: info}, false},
		{"nothing of another node's extent", object.Ask{Range: beyond}, head{full: true, info: large, offset: beyond.First}, true},
		{"nothing of what is pinned there", object.Ask{Pin: &largePin, Range: beyond}, head{info: large, offset: beyond.First}, false},
		{"nothing of nothing", object.Ask{}, head{full: true}, true},
		{"too much", object.Ask{}, head{full: true, info: info, length: 101}, false},
		{"another place", object.Ask{Range: tail}, head{full: true, info: info, offset: 91, length: 9}, false},
		{"no info", object.Ask{}, head{info: info, length: 100}, false},
		{"bytes for HEAD", object.Ask{HeadOnly: true}, head{full: true, info: info, length: 100}, false},
		{"the pinned version", object.Ask{Pin: &pin, Range: tail}, head{info: info, offset: 90, length: 10}, true},
		{"another version", object.Ask{Pin: &other, Range: tail}, head{info: info, offset: 90, length: 10}, false},
		{"a range past the end", object.Ask{Range: object.Range{Kind: object.FromTo, First: 100}}, head{full: true, info: info, offset: 100}, false},
	} {
		if got := c.head.fits(&c.ask); got != c.want {
			t.Errorf("%s: fits is %v", c.name, got)
		}
	}
}

func TestCutKeepsCharactersWhole(t *testing.T) {
	for limit, want := range []string{"", "a", "a", "aé", "aé", "aé", "aé世", "aé世"} {
		if got := cut("aé世", limit); got != want {
			t.Errorf("cut to %d bytes: %q, want %q", limit, got, want)
		}
	}
}

// TestBrokenBodies: whatever an owner, or the way from it, does to a body of two
// frames, no wrong byte is given and no short body ends well.
func TestBrokenBodies(t *testing.T) {
	o := testObject(2 * 1000)
	data := func(from, to int64) []byte {
		frame := append(make([]byte, headerBytes+crcBytes), o.Bytes(from, to)...)
		sealData(frame, 0)
		return frame
	}
	end := func(err error) []byte { return endFrame(appendFailure(beginFrame(nil, frameEnd), err), 0) }
	flip := func(b []byte, at int) []byte { b[at] ^= 1; return b }
	for _, c := range []struct {
		name   string
		frames []byte
		right  int64 // bytes given before the error
		want   error // nil: io.EOF
	}{
		{"whole", bytes.Join([][]byte{data(0, 1000), data(1000, 2000), end(nil)}, nil), 2000, nil},
		{"a changed byte", bytes.Join([][]byte{data(0, 1000), flip(data(1000, 2000), 500), end(nil)}, nil), 1000, errCRC},
		{"a changed checksum", bytes.Join([][]byte{flip(data(0, 1000), headerBytes), data(1000, 2000), end(nil)}, nil), 0, errCRC},
		{"a changed type", bytes.Join([][]byte{flip(data(0, 1000), 4)}, nil), 0, errFrame},
		{"a changed length", bytes.Join([][]byte{flip(data(0, 1000), 2)}, nil), 0, errFrame},
		{"an end too soon", bytes.Join([][]byte{data(0, 1000), end(nil)}, nil), 1000, errFrame},
		{"an error in the middle", bytes.Join([][]byte{data(0, 1000), end(object.ErrGone)}, nil), 1000, object.ErrGone},
		{"an error behind the last byte", bytes.Join([][]byte{data(0, 1000), data(1000, 2000), end(object.ErrBroken)}, nil), 1000, object.ErrBroken},
		{"more than was said", bytes.Join([][]byte{data(0, 1000), data(0, 1001)}, nil), 1000, errFrame},
		{"an empty frame", bytes.Join([][]byte{data(0, 1000), data(0, 0)}, nil), 1000, errFrame},
		{"no end", bytes.Join([][]byte{data(0, 1000), data(1000, 2000)}, nil), 1000, io.ErrUnexpectedEOF},
		{"cut between frames", data(0, 1000), 1000, object.ErrUnreachable},
		{"cut in a frame", bytes.Join([][]byte{data(0, 1000), data(1000, 2000)[:500]}, nil), 1000, io.ErrUnexpectedEOF},
		{"cut in a header", bytes.Join([][]byte{data(0, 1000), data(1000, 2000)[:3]}, nil), 1000, io.ErrUnexpectedEOF},
		{"garbage in the end", bytes.Join([][]byte{data(0, 1000), data(1000, 2000), endFrame(append(beginFrame(nil, frameEnd), 0, 0), 0)}, nil), 1000, errFrame},
	} {
		for name, buf := range map[string][]byte{"large reads": make([]byte, 4096), "small reads": make([]byte, 7)} {
			t.Run(c.name+", "+name, func(t *testing.T) {
				near, far := net.Pipe()
				go func() {
					far.Write(c.frames)
					far.Close()
				}()
				client := startClient(t, "", ClientOptions{})
				conn := &conn{wire: wire{Conn: near, raw: near}, node: "owner", papers: client.opts.Identity.latest()}
				client.pool.add(conn)
				b := client.start(t.Context(), conn)
				b.left = o.Size
				n, err := o.CheckReader(&fixedReads{b, buf}, 0, o.Size)
				if n != c.right || !errors.Is(err, c.want) {
					t.Errorf("%d right bytes and %v, want %d and %v", n, err, c.right, c.want)
				}
				if travelled := errors.Is(c.want, object.ErrGone) || errors.Is(c.want, object.ErrBroken); c.want != nil && errors.Is(err, object.ErrUnreachable) == travelled {
					t.Errorf("error %v, unreachable: %v", err, !travelled)
				}
				b.Close()
				near.Close()
			})
		}
	}
}

// fixedReads reads through a buffer of its own.
type fixedReads struct {
	r   io.Reader
	buf []byte
}

func (f *fixedReads) Read(p []byte) (int, error) {
	n, err := f.r.Read(f.buf)
	return copy(p, f.buf[:n]), err
}

func FuzzFrame(f *testing.F) {
	for _, ask := range askSamples(f) {
		f.Add(endFrame(append(beginFrame(nil, frameAsk), ask...), 0))
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, byte(frameData)})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < headerBytes {
			return
		}
		kind, length, err := parseHeader((*[headerBytes]byte)(b))
		if err == nil && (length > maxPayload(kind) || length > bufferBytes) {
			t.Errorf("type %d with %d bytes", kind, length)
		}
		if err == nil && !bytes.Equal(endFrame(append(beginFrame(nil, kind), make([]byte, length)...), 0)[:headerBytes], b[:headerBytes]) {
			t.Error("a header that does not come out as it went in")
		}
		payload := b[headerBytes:]
		if why, h, err := decodeWelcome(payload); err == nil {
			if _, again, err := decodeWelcome(appendWelcome(nil, why, &h)); err != nil || again != h {
				t.Errorf("hello %+v becomes %+v: %v", h, again, err)
			}
		}
	})
}

func FuzzAsk(f *testing.F) {
	for _, b := range askSamples(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ask, budget, err := decodeAsk(b)
		if err != nil {
			return
		}
		again, err := appendAsk(nil, ask, budget)
		if err != nil {
			t.Fatal(err)
		}
		same, _, err := decodeAsk(again)
		if err != nil || !reflect.DeepEqual(same, ask) {
			t.Errorf("ask %+v becomes %+v: %v", ask, same, err)
		}
	})
}

func FuzzHead(f *testing.F) {
	for _, b := range headSamples(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHead(b)
		if err != nil || h.err != nil {
			return
		}
		again, err := appendHead(nil, &object.Answer{
			Info: h.info, Source: h.source, Outcome: h.outcome, Collapsed: h.collapsed,
			Stored: h.stored, TTL: h.ttl, Offset: h.offset, Length: h.length,
			Changed: h.changed, Requested: h.requested, ForwardStatus: h.forward,
		}, h.full)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := decodeHead(again); err != nil || !reflect.DeepEqual(same, h) {
			t.Errorf("head %+v becomes %+v: %v", h, same, err)
		}
		h.fits(&object.Ask{})
	})
}
