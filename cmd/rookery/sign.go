package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"rookery/auth"
)

type signCmd struct {
	KeyID      string        `name:"key-id" required:"" help:"The id of a key in the bucket's auth.signed_urls.keys." placeholder:"ID"`
	SecretFile string        `help:"A file with the key's secret; else it is in ROOKERY_SIGN_SECRET. The command line is no place for it." placeholder:"FILE"`
	URL        clientURL     `name:"url" required:"" help:"Where clients reach Rookery; /BUCKET/KEY is put behind it. With a path, it is the object's whole URL. Its query is signed too." placeholder:"URL"`
	Bucket     string        `required:"" help:"The bucket, as Rookery calls it." placeholder:"NAME"`
	Key        string        `required:"" help:"The name of the object." placeholder:"NAME"`
	Expires    time.Duration `help:"How long the URL is good for; ${default} if not given. No longer than the bucket's auth.signed_urls.max_expiry." default:"1h" placeholder:"TIME"`
	IP         string        `name:"ip" help:"The only address that may use the URL, or a prefix such as 192.0.2.0/24." placeholder:"ADDRESS"`
}

// Help is the end of what --help prints.
func (signCmd) Help() string {
	return "It asks no node: whoever has the secret can sign.\n\n" +
		"Example:\n\n\trookery sign --key-id web --secret-file web.secret --url https://cdn.example.com --bucket products --key 'img/a b.jpg' --expires 15m\n" +
		"\trookery sign --key-id web --url 'https://products.example.com/a.pdf?response-content-disposition=attachment' --bucket products --key a.pdf\n"
}

// clientURL is where clients go. A malformed one counts as wrong usage.
type clientURL struct{ url.URL }

// UnmarshalText reads a URL that a browser could open.
func (c *clientURL) UnmarshalText(text []byte) error {
	u, err := url.Parse(string(text))
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("want a URL like https://cdn.example.com, not %q", text)
	}
	c.URL = *u
	return nil
}

// maxSecretBytes bounds the file of a secret.
const maxSecretBytes = 64 << 10

// Validate makes what nobody could use wrong usage.
func (c *signCmd) Validate() error {
	switch {
	case c.KeyID == "" || c.Bucket == "" || c.Key == "":
		return errors.New("--key-id, --bucket and --key must not be empty")
	case c.Expires < time.Second:
		return errors.New("--expires wants a second or more")
	}
	return nil
}

// Run prints the signed URL.
func (c *signCmd) Run(p *process) error {
	secret, err := c.secret(p)
	if err != nil {
		return err
	}
	key := auth.SignedURLKey{ID: c.KeyID, Secret: []byte(secret)}
	query, err := key.Sign(&auth.URLToSign{
		Bucket: c.Bucket, Name: c.Key, Query: c.URL.RawQuery, Expires: time.Now().Add(c.Expires), From: c.IP,
	})
	if err != nil {
		return err
	}
	signed := c.URL.URL
	if signed.Path == "" || signed.Path == "/" {
		signed.Path = "/" + c.Bucket + "/" + c.Key
		signed.RawPath = strings.ReplaceAll(signed.EscapedPath(), "+", "%2B")
	}
	signed.RawQuery = query
	_, err = fmt.Fprintln(p.stdout, &signed)
	return err
}

func (c *signCmd) secret(p *process) (string, error) {
	if c.SecretFile == "" {
		secret, _ := p.getenv("ROOKERY_SIGN_SECRET")
		if secret == "" {
			return "", errors.New("the secret is given with --secret-file or in ROOKERY_SIGN_SECRET")
		}
		return secret, nil
	}
	file, err := os.Open(c.SecretFile)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSecretBytes))
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s is empty", c.SecretFile)
	}
	return secret, nil
}
