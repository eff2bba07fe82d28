package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"rookery/admin"
)

func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + listener.Addr().String()
	listener.Close() // nobody listens there now
	for _, command := range []string{"status", "ring public:a", "purge --all", "drain", "forget a", "council new", "council new --yes"} {
		r := rookery(t, nil, append(strings.Fields(command), "--admin", address)...)
		if r.code != exitFailed || r.stdout != "" || !strings.Contains(r.stderr, "no answer from the admin listener at "+address) ||
			!strings.Contains(r.stderr, "connection refused") {
			t.Errorf("%s: %+v", command, r)
		}
	}
}

func TestRefusals(t *testing.T) {
	open := node(t, nil)
	closed := node(t, func(o *admin.Options) { o.Token = "" })
	cases := []struct {
		name, admin, token, stderr string
	}{
		{"no token", open["ROOKERY_ADMIN"], "", "wants the node's admin token"},
		{"wrong token", open["ROOKERY_ADMIN"], "x", "refused the token"},
		{"none configured", closed["ROOKERY_ADMIN"], token, "set admin.token"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, command := range []string{"status", "ring public:a", "purge --all", "drain", "forget a", "council new", "council new --yes"} {
				r := rookery(t, map[string]string{"ROOKERY_ADMIN": c.admin, "ROOKERY_TOKEN": c.token}, strings.Fields(command)...)
				if r.code != exitFailed || r.stdout != "" || !strings.Contains(r.stderr, c.stderr) || strings.Count(r.stderr, "\n") != 1 {
					t.Errorf("%s: %+v", command, r)
				}
			}
		})
	}
}

func TestFlagsGoBeforeTheEnvironment(t *testing.T) {
	env := node(t, nil)
	flags := []string{"ring", "public:a", "--admin", env["ROOKERY_ADMIN"] + "/", "--token", token}
	r := rookery(t, map[string]string{"ROOKERY_ADMIN": "http://127.0.0.1:1", "ROOKERY_TOKEN": "x"}, flags...)
	if r.code != exitDone {
		t.Errorf("%+v", r)
	}
}

// Whatever else listens there, it gets a clear word and no second request: the
// token is not carried along a redirect.
func TestStrangers(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a redirect was followed")
	}))
	t.Cleanup(target.Close)
	cases := []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"clients' port", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(404)
			fmt.Fprint(w, "<Error><Code>NoSuchBucket</Code></Error>")
		}},
		{"web page", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>hello</html>") }},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, target.URL, http.StatusTemporaryRedirect)
		}},
		{"cut short", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"key":`) }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(c.answer)
			t.Cleanup(srv.Close)
			r := rookery(t, map[string]string{"ROOKERY_ADMIN": srv.URL, "ROOKERY_TOKEN": token}, "ring", "public:a")
			if r.code != exitFailed || !strings.Contains(r.stderr, "does not answer like a rookery admin listener") {
				t.Errorf("%+v", r)
			}
		})
	}
}
