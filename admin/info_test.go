package admin_test

import (
	"encoding/json"
	"testing"
	"time"

	"rookery/admin"
	"rookery/object"
)

// heldInfo asks for public:x on a node that holds it like this.
func heldInfo(t *testing.T, held admin.Held) admin.Info {
	t.Helper()
	opts := fixture()
	opts.Held = func(object.Key) (admin.Held, bool) { return held, true }
	res, body := ask(t, "GET", listen(t, opts).URL+"/admin/cache/info?key=public:x", "Bearer "+token)
	if res.StatusCode != 200 {
		t.Fatalf("status %d: %s", res.StatusCode, body)
	}
	var v admin.Info
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestInfoOfEmptyObject(t *testing.T) {
	v := heldInfo(t, admin.Held{Info: object.Info{Validated: noon}, Hot: true, HasChunk: func(int64) bool {
		t.Error("an empty object has no chunks to look for")
		return false
	}})
	if v.LastModified != nil || v.Headers == nil || v.Chunks.Total != 0 || v.Chunks.Ranges == nil || !v.Hot {
		t.Errorf("got %+v", v)
	}
	if v.Extents != 1 || len(v.Owners) != 1 || v.Owners[0].Owner != "rook-0" {
		t.Errorf("an empty object has one owner: %+v", v)
	}
}

func TestInfoTTL(t *testing.T) {
	cases := []struct {
		age, fresh time.Duration
		want       int64
	}{
		{0, time.Minute, 60},
		{time.Minute, time.Minute, 0},
		{time.Minute + time.Millisecond, time.Minute, -1},
		{time.Minute - time.Millisecond, time.Minute, 0},
		{time.Hour, 0, -3600},
	}
	for _, c := range cases {
		held := admin.Held{Info: object.Info{Validated: noon.Add(-c.age)}, Fresh: c.fresh}
		if v := heldInfo(t, held); v.TTLSeconds != c.want {
			t.Errorf("age %v, fresh %v: ttl %d, want %d", c.age, c.fresh, v.TTLSeconds, c.want)
		}
	}
}

// An answer about a huge object stays bounded in lookups and in size, and says
// that it did not look at everything.
func TestInfoOfHugeObject(t *testing.T) {
	lookups := 0
	v := heldInfo(t, admin.Held{
		Info:     object.Info{Size: 5 << 40, Validated: noon},
		HasChunk: func(n int64) bool { lookups++; return n == 0 || n == 65535 || n == 65536 },
	})
	want := admin.Chunks{Total: 5 << 20, Examined: 65536, Held: 2, Ranges: [][2]int64{{0, 0}, {65535, 65535}}}
	if v.Chunks.Total != want.Total || v.Chunks.Examined != want.Examined || v.Chunks.Held != want.Held || lookups != 65536 {
		t.Errorf("got %+v after %d lookups, want %+v", v.Chunks, lookups, want)
	}
	if len(v.Chunks.Ranges) != 2 || v.Chunks.Ranges[0] != want.Ranges[0] || v.Chunks.Ranges[1] != want.Ranges[1] {
		t.Errorf("ranges %v, want %v", v.Chunks.Ranges, want.Ranges)
	}
	if v.Extents != 5<<14 || len(v.Owners) != 8 || v.Owners[7].Extent != 7 || v.Owners[7].Owner != "rook-1" {
		t.Errorf("extents %d, owners %v", v.Extents, v.Owners)
	}
}
