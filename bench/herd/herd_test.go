package main

import (
	"io"
	"strings"
	"testing"
	"time"
)

func TestVerdict(t *testing.T) {
	o := options{clients: 2, nodes: 1, pieceMiB: 4, objectMiB: 100, slowKiB: 10, slowdown: 1.25, memoryMiB: 512, beyondMiB: 256}
	for name, c := range map[string]struct {
		change func(r *results)
		fault  string // "" for none
	}{
		"good":                  {func(*results) {}, ""},
		"a client failed":       {func(r *results) { r.runs[0].failed, r.runs[0].err = 1, io.EOF }, "1 clients"},
		"a slow reader failed":  {func(r *results) { r.runs[1].slowFailed = io.EOF }, "slow reader"},
		"a slow reader starved": {func(r *results) { r.runs[1].slowShare = 0.5 }, "50 % of its pace"},
		"a chunk fetched twice": {func(r *results) { r.runs[1].asked.again = 1 }, "more than once"},
		"two HEADs":             {func(r *results) { r.runs[0].asked.heads = 2 }, "2 HEADs"},
		"no If-Match":           {func(r *results) { r.runs[0].asked.unconditional = 1 }, "without If-Match"},
		"others slowed":         {func(r *results) { r.runs[1].took = 13 * time.Second }, "cost the others"},
		"too much memory":       {func(r *results) { r.nodes[0].peak++ }, "took 768 MiB"},
	} {
		asked := asked{heads: 1, gets: 20, fetched: 100}
		r := &results{
			runs:  []found{{took: 10 * time.Second, asked: asked}, {took: 12 * time.Second, slow: 5, slowShare: 1, asked: asked}},
			nodes: []state{{name: "rook-0", peak: 768 * mib}},
		}
		c.change(r)
		var out strings.Builder
		if ok := report(&out, o, r); ok != (c.fault == "") || !strings.Contains(out.String(), c.fault) {
			t.Errorf("%s: %t\n%s", name, ok, out.String())
		}
	}
}
