package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"rookery/cmd/s3demo"
	"rookery/internal/pattern"
)

// reader reads samples through one node's gateway.
type reader struct {
	node   string
	base   string // http://host:port
	client *http.Client
}

// question is one request for a sample, and what its answer must be: a status,
// and the bytes [from, to).
type question struct {
	method   string
	header   http.Header
	status   int
	from, to int64
}

// result is what reading one sample through one node gave.
type result struct {
	cache   string // X-Cache of the whole read
	source  string // where its bytes came from, by Cache-Status
	took    time.Duration
	problem error
}

// check reads every sample through every node (whole, HEAD, ranges,
// conditions), compares each byte, and prints a table. Then it sees that the private
// bucket is open to who has the token and to nobody else.
func check(ctx context.Context, o Options, token string) error {
	table := tabwriter.NewWriter(o.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "object\tsize\tnode\tcache\tsource\twhole read\tHEAD, ranges, conditions\t")
	failed := 0
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	for _, s := range s3demo.Samples() {
		for i := range o.Nodes {
			r := reader{nodeName(i), fmt.Sprintf("http://127.0.0.1:%d", o.Port+i), client}
			got := r.check(ctx, s)
			verdict := "right"
			if got.problem != nil {
				verdict = "WRONG: " + got.problem.Error()
				failed++
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%.1f ms\t%s\t\n", s.Key, size(s.Size), r.node, got.cache, got.source,
				float64(got.took.Microseconds())/1000, verdict)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for i := range o.Nodes {
		r := reader{nodeName(i), fmt.Sprintf("http://127.0.0.1:%d", o.Port+i), client}
		verdict := "open to whose token it is, closed to everybody else"
		if err := r.checkPrivate(ctx, token); err != nil {
			verdict = "WRONG: " + err.Error()
			failed++
		}
		fmt.Fprintf(o.Out, "the private bucket through %s: %s\n", r.node, verdict)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if failed > 0 {
		fmt.Fprintf(o.Out, "%d reads went wrong\n", failed)
		return errCheck
	}
	fmt.Fprintf(o.Out, "all %d objects are right through all %d nodes\n", len(s3demo.Samples()), o.Nodes)
	return nil
}

func (r reader) check(ctx context.Context, s pattern.Object) result {
	var out result
	begun := time.Now()
	whole, err := r.read(ctx, s, question{http.MethodGet, nil, http.StatusOK, 0, s.Size})
	out.took = time.Since(begun)
	if err != nil {
		out.problem = fmt.Errorf("whole: %w", err)
		return out
	}
	out.cache, out.source = whole.Get("X-Cache"), source(whole.Get("Cache-Status"))
	out.problem = errors.Join(r.checkHead(ctx, s, whole), r.checkRanges(ctx, s), r.checkConditions(ctx, s, whole))
	return out
}

func (r reader) checkHead(ctx context.Context, s pattern.Object, whole http.Header) error {
	head, err := r.read(ctx, s, question{http.MethodHead, nil, http.StatusOK, 0, s.Size})
	if err != nil {
		return fmt.Errorf("HEAD: %w", err)
	}
	for _, name := range []string{"Content-Length", "Content-Type", "Etag", "Last-Modified", "Accept-Ranges"} {
		if head.Get(name) != whole.Get(name) {
			return fmt.Errorf("HEAD: %s is %q, GET's is %q", name, head.Get(name), whole.Get(name))
		}
	}
	return nil
}

func (r reader) checkRanges(ctx context.Context, s pattern.Object) error {
	type span struct {
		header   string
		from, to int64
	}
	spans := []span{
		{"bytes=0-0", 0, 1},
		{fmt.Sprintf("bytes=%d-", s.Size-1), s.Size - 1, s.Size},
		{"bytes=-100", max(0, s.Size-100), s.Size},
		{fmt.Sprintf("bytes=%d-%d", s.Size/2, s.Size+10), s.Size / 2, s.Size},
		{fmt.Sprintf("bytes=%d-%d", s.Size/3, s.Size/3+99_999), s.Size / 3, min(s.Size, s.Size/3+100_000)},
	}
	if s.Size == 0 {
		spans = nil
	}
	for _, sp := range spans {
		q := question{http.MethodGet, http.Header{"Range": {sp.header}}, http.StatusPartialContent, sp.from, sp.to}
		if _, err := r.read(ctx, s, q); err != nil {
			return fmt.Errorf("%s: %w", sp.header, err)
		}
	}
	past := http.Header{"Range": {fmt.Sprintf("bytes=%d-", s.Size)}}
	if _, err := r.read(ctx, s, question{http.MethodGet, past, http.StatusRequestedRangeNotSatisfiable, 0, 0}); err != nil {
		return fmt.Errorf("a range past the end: %w", err)
	}
	return nil
}

func (r reader) checkConditions(ctx context.Context, s pattern.Object, whole http.Header) error {
	etag, modified := whole.Get("Etag"), whole.Get("Last-Modified")
	for _, c := range []struct {
		name, value string
		status      int
		to          int64
	}{
		{"If-None-Match", etag, http.StatusNotModified, 0},
		{"If-None-Match", `"another"`, http.StatusOK, s.Size},
		{"If-Match", etag, http.StatusOK, s.Size},
		{"If-Match", `"another"`, http.StatusPreconditionFailed, 0},
		{"If-Modified-Since", modified, http.StatusNotModified, 0},
	} {
		if s.Size > 8<<20 && c.to > 0 {
			continue // the whole has been compared once
		}
		if _, err := r.read(ctx, s, question{http.MethodGet, http.Header{c.name: {c.value}}, c.status, 0, c.to}); err != nil {
			return fmt.Errorf("%s: %s: %w", c.name, c.value, err)
		}
	}
	return nil
}

// checkPrivate reads the private bucket with the token and without.
func (r reader) checkPrivate(ctx context.Context, token string) error {
	own, others := s3demo.Diary(s3demo.Own), s3demo.Diary(s3demo.Others)
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	for _, c := range []struct {
		what   string
		object pattern.Object
		header http.Header
		status int
	}{
		{"without a token", own, nil, http.StatusForbidden},
		{"with a token that is none", own, bearer("hello"), http.StatusForbidden},
		{"with a token that is changed", own, bearer(token[:len(token)-2] + "AA"), http.StatusForbidden},
		{"with the token", own, bearer(token), http.StatusOK},
		{"another's, with the token", others, bearer(token), http.StatusForbidden},
		{"without a token, once it is cached", own, nil, http.StatusForbidden},
	} {
		q := question{http.MethodGet, c.header, c.status, 0, c.object.Size}
		header, err := r.readAt(ctx, "/private/"+c.object.Key, c.object, q)
		if err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
		if c.status == http.StatusForbidden && header.Get("Cache-Status") != "" {
			return fmt.Errorf("%s: the refusal tells of the cache", c.what)
		}
	}
	return nil
}

// read sends one request for a sample of the public bucket.
func (r reader) read(ctx context.Context, s pattern.Object, q question) (http.Header, error) {
	return r.readAt(ctx, path(s.Key), s, q)
}

// readAt sends one request and compares the answer with what it must be, each byte
// of it. It returns the answer's header.
func (r reader) readAt(ctx context.Context, target string, s pattern.Object, q question) (http.Header, error) {
	u, err := url.Parse(r.base + target)
	if err != nil {
		return nil, err
	}
	request := (&http.Request{Method: q.method, URL: u, Host: u.Host, Header: q.header}).WithContext(ctx)
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != q.status {
		return nil, fmt.Errorf("status %d, want %d", response.StatusCode, q.status)
	}
	if q.status != http.StatusOK && q.status != http.StatusPartialContent {
		_, err := io.Copy(io.Discard, response.Body)
		return response.Header, err
	}
	if response.ContentLength != q.to-q.from {
		return nil, fmt.Errorf("content length %d, want %d", response.ContentLength, q.to-q.from)
	}
	if q.method == http.MethodHead {
		return response.Header, nil
	}
	_, err = s.CheckReader(response.Body, q.from, q.to)
	return response.Header, err
}

// source is the part of a Cache-Status that tells where the bytes came from.
func source(status string) string {
	for part := range strings.SplitSeq(status, ";") {
		if detail, ok := strings.CutPrefix(strings.TrimSpace(part), "detail="); ok {
			return detail
		}
	}
	return "origin"
}
