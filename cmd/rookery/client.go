package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"rookery/admin"
)

const (
	// requestTimeout bounds one question to a node, answer included.
	requestTimeout = 10 * time.Second
	// leaseTimeout bounds one that the council answers when the leases have ended
	// that it has granted: cluster.lease is a minute at most.
	leaseTimeout = 2 * time.Minute
	// maxAnswerBytes bounds what is read of one answer.
	maxAnswerBytes = 16 << 20
)

// nodeFlags says which node a command asks, and in what form it prints the
// answer.
type nodeFlags struct {
	Admin      baseURL `help:"URL of a node's admin listener, ${default} if not given. Also $$ROOKERY_ADMIN." default:"http://127.0.0.1:9080" placeholder:"URL"`
	CA         string  `name:"ca" help:"PEM file of the CAs that the admin listener's certificate must be of, in place of the system's. Also $$ROOKERY_ADMIN_CA." placeholder:"FILE"`
	Token      string  `help:"The node's admin token. Also $$ROOKERY_TOKEN, which other users of the machine cannot see." placeholder:"TOKEN"`
	ClientCert string  `help:"PEM file of the certificate to show, where the listener wants one (admin.tls.client_ca). Needs --client-key." placeholder:"FILE"`
	ClientKey  string  `help:"PEM file of its key." placeholder:"FILE"`
	JSON       bool    `name:"json" help:"Print JSON for machines instead of tables."`
}

// flagsFromEnvironment gives nodeFlags their values where the command line does
// not. (Kong's own env tags would read the process's environment, not getenv.)
func flagsFromEnvironment(getenv func(string) (string, bool)) kong.Resolver {
	names := map[string]string{"admin": "ROOKERY_ADMIN", "token": "ROOKERY_TOKEN", "ca": "ROOKERY_ADMIN_CA"}
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if value, ok := getenv(names[flag.Name]); ok && value != "" {
			return value, nil
		}
		return nil, nil
	})
}

// baseURL is the URL of an admin listener, without a slash at its end.
type baseURL string

// UnmarshalText refuses what could not be an admin listener, so that it counts
// as wrong usage.
func (b *baseURL) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return fmt.Errorf("the admin listener is given as a URL like http://127.0.0.1:9080, not as %q", text)
	}
	*b = baseURL(strings.TrimRight(string(text), "/"))
	return nil
}

// client asks one node's admin listener.
type client struct {
	base  string
	token string
	http  http.Client
	// fault is what is wrong with the files of the flags; every question fails with it.
	fault error
}

// client returns the client that the flags name. It goes through no proxy and
// follows no redirect: the token is for the node alone.
func (f *nodeFlags) client() *client {
	secure, err := f.tls()
	return &client{base: string(f.Admin), token: f.Token, fault: err, http: http.Client{
		Timeout:       requestTimeout,
		Transport:     &http.Transport{TLSClientConfig: secure},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// tls says whom the command trusts, and what it shows.
func (f *nodeFlags) tls() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.CA != "" {
		text, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("--ca or ROOKERY_ADMIN_CA: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--ca or ROOKERY_ADMIN_CA: %s holds no certificate", f.CA)
		}
	}
	if f.ClientCert != "" || f.ClientKey != "" {
		pair, err := tls.LoadX509KeyPair(f.ClientCert, f.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("--client-cert and --client-key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// patient returns the client with time enough for a lease to end.
func (c *client) patient() *client {
	c.http.Timeout = leaseTimeout
	return c
}

func (c *client) close() { c.http.CloseIdleConnections() }

// errNoAnswer says that nobody answers at the address: there is no node, or it has
// ended.
var errNoAnswer = errors.New("no answer")

// get asks for path and decodes the answer into v. Any status but 200 and those
// in also is an error.
func (c *client) get(ctx context.Context, path string, v any, also ...int) error {
	return c.do(ctx, http.MethodGet, path, nil, v, also...)
}

// post sends body as JSON, or nothing if it is nil, and is like get otherwise.
func (c *client) post(ctx context.Context, path string, body, v any, also ...int) error {
	if body == nil {
		return c.do(ctx, http.MethodPost, path, nil, v, also...)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.base, err)
	}
	return c.do(ctx, http.MethodPost, path, bytes.NewReader(text), v, also...)
}

func (c *client) do(ctx context.Context, method, path string, send io.Reader, v any, also ...int) error {
	if c.fault != nil {
		return c.fault
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, send)
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.base, err)
	}
	if send != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w from the admin listener at %s (is the node running, and is --admin or ROOKERY_ADMIN right?): %w", errNoAnswer, c.base, cause(err))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		return fmt.Errorf("read the answer of %s%s: %w", c.base, path, err)
	}
	if res.StatusCode != http.StatusOK && !slices.Contains(also, res.StatusCode) {
		return c.refused(path, res, body)
	}
	if err := json.Unmarshal(body, v); err != nil {
		return c.stranger(path, res)
	}
	return nil
}

// refused says what an error answer means for who typed the command.
func (c *client) refused(path string, res *http.Response, body []byte) error {
	var failure admin.Failure
	if err := json.Unmarshal(body, &failure); err != nil || failure.Error.Code == "" {
		return c.stranger(path, res)
	}
	if res.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("%s: %s", c.base, failure.Error.Message)
	}
	if c.token == "" {
		return fmt.Errorf("%s wants the node's admin token: give it with --token or ROOKERY_TOKEN", c.base)
	}
	return fmt.Errorf("%s refused the token: --token or ROOKERY_TOKEN must be the node's admin.token", c.base)
}

func (c *client) stranger(path string, res *http.Response) error {
	return fmt.Errorf("%s%s does not answer like a rookery admin listener (status %d, %q); the admin port is not the clients' port",
		c.base, path, res.StatusCode, res.Header.Get("Content-Type"))
}

// cause is err without net/http's mention of method and URL, which the message
// around it has already.
func cause(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// printJSON prints v for machines.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
