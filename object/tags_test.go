package object

import (
	"slices"
	"strings"
	"testing"
)

func TestTags(t *testing.T) {
	headers := []string{"X-Amz-Meta-Cache-Tag", "Surrogate-Key", "Cache-Tag"}
	cases := []struct {
		name   string
		fields []Field
		want   []string
	}{
		{"none", []Field{{"Content-Type", "a,b"}}, nil},
		{"commas", []Field{{"Cache-Tag", "a,b, c"}}, []string{"a", "b", "c"}},
		{"spaces", []Field{{"Surrogate-Key", "a b  c\td"}}, []string{"a", "b", "c", "d"}},
		{"one", []Field{{"X-Amz-Meta-Cache-Tag", "product:42"}}, []string{"product:42"}},
		{"nothing but separators", []Field{{"Cache-Tag", " , ,"}, {"Cache-Tag", ""}}, nil},
		{"the ends", []Field{{"Cache-Tag", " ,a,"}}, []string{"a"}},
		{"several fields, in order", []Field{{"Cache-Tag", "b"}, {"Vary", "x"}, {"Surrogate-Key", "a"}, {"Cache-Tag", "b,c"}}, []string{"b", "a", "b", "c"}},
		{"other letters", []Field{{"Cache-Tag", "ä€,B"}}, []string{"ä€", "B"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			info := Info{Header: c.fields}
			if got := slices.Collect(info.Tags(headers)); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
			if got := slices.Collect(info.Tags(nil)); got != nil {
				t.Errorf("no header, but %q", got)
			}
		})
	}
}

// A tag that was overlooked would make a purge promise too much.
func TestAllTagsAreSeen(t *testing.T) {
	many := strings.Repeat("t ", 20_000)
	info := Info{Header: []Field{{"Cache-Tag", many}, {"Cache-Tag", "last"}}}
	if got := slices.Collect(info.Tags([]string{"Cache-Tag"})); len(got) != 20_001 || !slices.Contains(got, "last") {
		t.Errorf("%d tags, want 20,001 with the last", len(got))
	}
}

func TestTagsEndEarly(t *testing.T) {
	info := Info{Header: []Field{{"Cache-Tag", "a,b"}, {"Cache-Tag", "c"}}}
	seen := 0
	for range info.Tags([]string{"Cache-Tag"}) {
		seen++
		break
	}
	if seen != 1 {
		t.Errorf("%d tags after the first", seen)
	}
}

// Every lookup under a tag floor goes through them.
func TestTagsDoNotAllocate(t *testing.T) {
	headers := []string{"Surrogate-Key", "Cache-Tag"}
	info := Info{Header: []Field{{"Content-Type", "x"}, {"Cache-Tag", "a,b,c"}, {"Surrogate-Key", "d e"}}}
	seen := 0
	if n := testing.AllocsPerRun(100, func() {
		for range info.Tags(headers) {
			seen++
		}
	}); n != 0 || seen == 0 {
		t.Errorf("%v allocations for %d tags", n, seen)
	}
}

func BenchmarkTags(b *testing.B) {
	headers := []string{"X-Amz-Meta-Cache-Tag", "Surrogate-Key", "Cache-Tag"}
	info := sampleInfo()
	info.Header = append(info.Header, Field{"Cache-Tag", "product:42,category:7,home"})
	b.ReportAllocs()
	for b.Loop() {
		for tag := range info.Tags(headers) {
			_ = tag
		}
	}
}
