package gateway

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// certificateLook is how long a certificate is used without a look at its files.
const certificateLook = 5 * time.Second

// CertificateOptions are the parts of a Certificate. Cert and Key are PEM files; of
// the rest each may be nil.
type CertificateOptions struct {
	Cert, Key string
	Log       *slog.Logger
	Metrics   *metrics.Set
	Now       func() time.Time
}

// Certificate is a server's certificate that follows its files. They are compared
// with what is used while clients come, and not watched: Kubernetes replaces them by
// swapping links to their directory, and a watch would have to know how. Safe for
// concurrent use; it starts no goroutine and has nothing to close.
type Certificate struct {
	o             CertificateOptions
	done, refused *metrics.Counter

	current atomic.Pointer[tls.Certificate]
	looked  atomic.Int64 // when the files were last looked at, in Unix nanoseconds
	looking sync.Mutex
	tried   pair   // what was last read, whether it could be used or not
	told    string // what was last said to be wrong with it
}

// pair is what two files hold.
type pair struct{ cert, key []byte }

// OpenCertificate reads the files and fails where they are no pair.
func OpenCertificate(o CertificateOptions) (*Certificate, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = metrics.NewSet()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Certificate{
		o:       o,
		done:    o.Metrics.NewCounter(`rookery_tls_reloads_total{outcome="done"}`),
		refused: o.Metrics.NewCounter(`rookery_tls_reloads_total{outcome="failed"}`),
	}
	now := o.Now()
	c.looked.Store(now.UnixNano())
	var err error
	if c.tried, err = c.read(); err == nil {
		err = c.use(c.tried)
	}
	if err != nil {
		return nil, fmt.Errorf("server.tls: %w", err)
	}
	if leaf := c.current.Load().Leaf; now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		o.Log.Warn("certificate is not valid now: clients will refuse it", "file", o.Cert, "from", leaf.NotBefore, "to", leaf.NotAfter)
	}
	o.Metrics.NewGauge(`rookery_tls_certificate_expires_seconds`, func() float64 {
		c.look()
		return c.current.Load().Leaf.NotAfter.Sub(c.o.Now()).Seconds()
	})
	return c, nil
}

// Config returns what a server needs to speak TLS with the certificate, of that
// version or a newer one.
func (c *Certificate) Config(minVersion uint16) *tls.Config {
	return &tls.Config{MinVersion: minVersion, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		c.look()
		return c.current.Load(), nil
	}}
}

// look compares the files with what is used, from time to time; the others do not
// wait for who does.
func (c *Certificate) look() {
	now := c.o.Now().UnixNano()
	if now-c.looked.Load() < int64(certificateLook) || !c.looking.TryLock() {
		return
	}
	defer c.looking.Unlock()
	c.looked.Store(now)
	p, err := c.read()
	if err == nil {
		if bytes.Equal(p.cert, c.tried.cert) && bytes.Equal(p.key, c.tried.key) {
			return
		}
		c.tried = p
		err = c.use(p)
	}
	if err != nil {
		if err.Error() != c.told {
			c.told = err.Error()
			c.refused.Inc()
			c.o.Log.Error("new certificate not used, the old one stays", "err", err, "until", c.current.Load().Leaf.NotAfter)
		}
		return
	}
	c.told = ""
	c.done.Inc()
	c.o.Log.Info("new certificate", "file", c.o.Cert, "until", c.current.Load().Leaf.NotAfter)
}

func (c *Certificate) read() (p pair, err error) {
	if p.cert, err = os.ReadFile(c.o.Cert); err != nil {
		return pair{}, err
	}
	if p.key, err = os.ReadFile(c.o.Key); err != nil {
		return pair{}, err
	}
	return p, nil
}

// use takes a pair into use, if it is one.
func (c *Certificate) use(p pair) error {
	made, err := tls.X509KeyPair(p.cert, p.key)
	if err != nil {
		return fmt.Errorf("%s with %s: %w", c.o.Cert, c.o.Key, err)
	}
	if old := c.current.Load(); old != nil && c.o.Now().After(made.Leaf.NotAfter) && c.o.Now().Before(old.Leaf.NotAfter) {
		return fmt.Errorf("%s: it ended at %s", c.o.Cert, made.Leaf.NotAfter)
	}
	c.current.Store(&made)
	return nil
}
