package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"rookery/certs"
	"rookery/config"
)

type certsCmd struct {
	Names  []string `arg:"" optional:"" name:"node" help:"The nodes' names, as node.name has them."`
	Dir    string   `required:"" help:"The directory of the CA and the certificates." placeholder:"DIR"`
	Also   []string `help:"Further DNS names and addresses in each certificate, as for a listener." placeholder:"NAME"`
	Days   int      `default:"365" help:"How long a node's certificate is valid, ${default} days if not given."`
	CADays int      `name:"ca-days" default:"3650" help:"How long a new CA is valid, ${default} days if not given."`
	Force  bool     `help:"Replace the nodes' certificates that are there, with the same CA. The CA itself is never replaced."`
}

// Help is the end of what --help prints.
func (certsCmd) Help() string {
	return "For clusters without a PKI of their own. It makes ca.crt and ca.key if they are not there, and NAME.crt and NAME.key\n" +
		"for each node. Keep ca.key away from the nodes: who has it can make nodes. Nodes take renewed files without a restart.\n\n" +
		"Example:\n\n\trookery certs --dir pki rook-0 rook-1 rook-2\n" +
		"\trookery certs --dir pki --force rook-0    # a new certificate of the same CA\n"
}

const day = 24 * time.Hour

// Run makes what is missing, and overwrites nothing unless told to.
func (c *certsCmd) Run(p *process) error {
	if c.Days < 1 || c.CADays < 1 {
		return errors.New("a certificate is valid for a day at least")
	}
	for _, name := range c.Names {
		if !config.IsNodeName(name) || name == "ca" {
			return fmt.Errorf("%q cannot be a node's name here", name)
		}
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	if err := c.checkFree(); err != nil {
		return err
	}
	now := time.Now()
	ca, err := c.authority(now)
	if err != nil {
		return err
	}
	for _, name := range c.Names {
		node, err := certs.NewNode(ca, name, c.Also, now, time.Duration(c.Days)*day)
		if err != nil {
			return err
		}
		if err := c.write(name, node); err != nil {
			return err
		}
	}
	return c.tell(p.stdout)
}

func (c *certsCmd) path(name string) string { return filepath.Join(c.Dir, name) }

// checkFree finds all that is in the way before anything is written.
func (c *certsCmd) checkFree() error {
	if c.Force {
		return nil
	}
	for _, name := range c.Names {
		for _, path := range []string{c.path(name + ".crt"), c.path(name + ".key")} {
			if _, err := os.Lstat(path); err == nil {
				return fmt.Errorf("%s is there already: --force replaces it", path)
			} else if !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// authority reads the CA, or makes it where there is none.
func (c *certsCmd) authority(now time.Time) (*certs.Issued, error) {
	cert, certErr := os.ReadFile(c.path("ca.crt"))
	key, keyErr := os.ReadFile(c.path("ca.key"))
	if errors.Is(certErr, fs.ErrNotExist) && errors.Is(keyErr, fs.ErrNotExist) {
		ca, err := certs.NewCA("rookery "+now.UTC().Format(time.DateOnly), now, time.Duration(c.CADays)*day)
		if err != nil {
			return nil, err
		}
		return ca, c.write("ca", ca)
	}
	// One without the other is a mistake that a new CA would make worse.
	if err := errors.Join(certErr, keyErr); err != nil {
		return nil, fmt.Errorf("the CA: %w", err)
	}
	return &certs.Issued{Cert: cert, Key: key}, nil
}

// write writes a pair, the key first: a node that follows the files takes neither before
// they fit.
func (c *certsCmd) write(name string, made *certs.Issued) error {
	if err := replace(c.path(name+".key"), made.Key); err != nil {
		return err
	}
	return replace(c.path(name+".crt"), made.Cert)
}

// replace writes a file that is whole whenever it is read, and only its owner's to read.
func replace(path string, text []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// tell prints what goes into each node's configuration.
func (c *certsCmd) tell(w io.Writer) error {
	if len(c.Names) == 0 {
		_, err := fmt.Fprintf(w, "%s is the CA; name nodes to make certificates for them\n", c.path("ca.crt"))
		return err
	}
	for _, name := range c.Names {
		if _, err := fmt.Fprintf(w, "# %s\ncluster:\n  peer_tls: {cert: %q, key: %q, ca: %q}\n",
			name, c.path(name+".crt"), c.path(name+".key"), c.path("ca.crt")); err != nil {
			return err
		}
	}
	return nil
}
