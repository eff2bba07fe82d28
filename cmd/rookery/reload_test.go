package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"rookery/internal/pattern"
	"rookery/internal/s3test"
)

// served is one node that is a process, and its file.
type served struct {
	*child
	url, operators, file string
	text                 string // of the file
}

func serving(t *testing.T, text string) *served {
	t.Helper()
	ports := freePorts(t, 2)
	s := &served{url: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), operators: fmt.Sprintf("http://127.0.0.1:%d", ports[1])}
	s.text = fmt.Sprintf("node: {name: rook-0, data_dir: %q}\nserver: {address: 127.0.0.1, port: %d, drain: 0s}\nadmin: {port: %d, token: t}\n", t.TempDir(), ports[0], ports[1]) + text
	s.file = writeConfig(t, s.text)
	s.child = begin(t, "serve", "--config", s.file)
	until(t, "ready", func() bool { status, _ := s.get(t, "/ready"); return status == 200 })
	return s
}

func (s *served) get(t *testing.T, path string) (int, string) {
	s.mustRun()
	response, err := http.Get(s.url + path)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func (s *served) rewrite(t *testing.T, from, to string) {
	t.Helper()
	s.text = strings.Replace(s.text, from, to, 1)
	if err := os.WriteFile(s.file, []byte(s.text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const oneBucket = `
reload: {watch: %t}
buckets:
  - {name: a, s3: {bucket: b, endpoint: %q, anonymous: true}}
`

// SIGHUP has the file read anew, by a process as it is run; where nothing watches the
// file, nothing else has. A bad file is told with its line and column.
func TestSIGHUP(t *testing.T) {
	s3 := s3test.Start(t)
	s3.Put(pattern.Object{Bucket: "b", Key: "k", Version: "1", Size: 1000}, s3test.Meta{})
	s := serving(t, fmt.Sprintf(oneBucket, false, s3.URL))
	s.rewrite(t, "name: a", "name: c")
	if status, _ := s.get(t, "/c/k"); status != 404 {
		t.Errorf("before the signal: %d", status)
	}
	s.signal(syscall.SIGHUP)
	until(t, "the new bucket", func() bool { status, body := s.get(t, "/c/k"); return status == 200 && len(body) == 1000 })
	if status, _ := s.get(t, "/a/k"); status != 404 {
		t.Errorf("the former bucket: %d", status)
	}
	s.rewrite(t, "name: c", "nome: c")
	s.signal(syscall.SIGHUP)
	until(t, "the refusal in the log", func() bool { return strings.Contains(s.stderr.String(), s.file+":7:6: ") })
	if status, _ := s.get(t, "/c/k"); status != 200 {
		t.Errorf("after a bad file: %d", status)
	}
	request, err := http.NewRequest(http.MethodPost, s.operators+"/admin/reload", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer t")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); response.StatusCode != 422 || !strings.Contains(string(body), s.file+":7:6: buckets[0].nome: unknown key") {
		t.Errorf("POST: %d %s", response.StatusCode, body)
	}
	http.DefaultClient.CloseIdleConnections()
	s.signal(syscall.SIGTERM)
	s.exits(exitDone)
}

// A changed file is taken without being told to.
func TestAChangedFileIsTaken(t *testing.T) {
	s3 := s3test.Start(t)
	s3.Put(pattern.Object{Bucket: "b", Key: "k", Version: "1", Size: 1000}, s3test.Meta{})
	s := serving(t, fmt.Sprintf(oneBucket, true, s3.URL))
	s.rewrite(t, "name: a", "name: c")
	until(t, "the new bucket", func() bool { status, _ := s.get(t, "/c/k"); return status == 200 })
	http.DefaultClient.CloseIdleConnections()
}
