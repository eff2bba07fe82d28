package clients

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"rookery/bench/nodes"
	"rookery/internal/certtest"
)

const (
	region = "eu-central-1"
	bucket = "fixtures"
	// openBucket shows the same objects, at nodes alone, to whoever asks.
	openBucket = "fixtures-open"
	domain     = "s3.localhost"
	// secured is the node that speaks TLS, and HTTP/2 to those who can.
	secured = 2
)

// keys sign requests.
type keys struct{ access, secret string }

// The clients of nodes have keys of the nodes, and never those of S3.
var (
	keysOfS3    = keys{"ROOKERYTESTKEY", "rookery-test-secret"}
	keysOfNodes = keys{"CLIENTKEY", "client-test-secret-of-the-nodes"}
)

// place is somewhere that clients are sent: S3 itself, or a node.
type place struct {
	name    string
	address string // host:port
	keys    keys
	open    bool            // the open bucket is meant, and nothing is signed
	tls     *certtest.Files // nil for HTTP in clear
}

func (p place) url() string {
	if p.tls != nil {
		return "https://" + p.address
	}
	return "http://" + p.address
}

// world is a real S3 with objects in it, and three nodes in front of it.
type world struct {
	direct place
	nodes  []place
	tools  string // where versitygw and mc are
}

// newWorld starts everything; it ends with the test. Its variables: ROOKERY_CLIENTS is
// the program, ROOKERY_CLIENTS_TOOLS the directory of versitygw and mc.
func newWorld(t *testing.T) *world {
	t.Helper()
	program, tools := os.Getenv("ROOKERY_CLIENTS"), os.Getenv("ROOKERY_CLIENTS_TOOLS")
	if program == "" || tools == "" {
		t.Skip("ROOKERY_CLIENTS and ROOKERY_CLIENTS_TOOLS name no program and no directory of tools: see make test-clients")
	}
	w := &world{tools: tools, direct: place{name: "versitygw", keys: keysOfS3, address: startVersity(t, filepath.Join(tools, "versitygw"))}}
	fill(t, w.direct)
	cert := certtest.Write(t, t.TempDir(), 1, time.Now().Add(99*24*time.Hour))
	started, err := nodes.Start(t.Context(), nodes.Options{
		Program: program, Nodes: 3, Dir: t.TempDir(), MemoryMiB: 128, DiskMiB: 1024,
		Server: func(node int) string {
			text := ", domain: " + domain
			if node == secured {
				text += fmt.Sprintf(", tls: {cert: %q, key: %q}", cert.Cert, cert.Key)
			}
			return text
		},
		Buckets: fmt.Sprintf(`
  - name: %[1]s
    s3: &s3 {bucket: %[1]s, region: %[2]s, endpoint: %[3]q, access_key: %[4]s, secret_key: %[5]s}
    auth: {enabled: true, sigv4: {keys: [{access_key: %[6]s, secret_key: %[7]s}]}}
  - {name: %[8]s, s3: *s3}
`, bucket, region, w.direct.url(), keysOfS3.access, keysOfS3.secret, keysOfNodes.access, keysOfNodes.secret, openBucket),
	})
	t.Cleanup(func() {
		if err := nodes.Stop(started); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range started {
		p := place{name: n.Name, address: n.Client, keys: keysOfNodes}
		if i == secured {
			p.tls = &cert
		}
		w.nodes = append(w.nodes, p)
	}
	return w
}

// startVersity runs versitygw and returns its address once it listens.
func startVersity(t *testing.T, program string) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"data", "meta"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	var said bytes.Buffer
	cmd := exec.Command(program, "--port", address, "--access", keysOfS3.access, "--secret", keysOfS3.secret, "--region", region,
		"--virtual-domain", domain, "--quiet", "posix", "--sidecar", filepath.Join(dir, "meta"), filepath.Join(dir, "data"))
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // "signal: killed"
		if t.Failed() {
			t.Logf("versitygw said:\n%s", said.String())
		}
	})
	deadline := time.Now().Add(30 * time.Second)
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return address
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen on %s", program, address)
		}
		<-time.After(50 * time.Millisecond) // another process: nothing else tells us
	}
}

// sdk is the Go SDK's client for a place.
func sdk(t *testing.T, p place, change func(*s3.Options)) *s3.Client {
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	if p.tls != nil {
		transport.ForceAttemptHTTP2, transport.TLSClientConfig = true, &tls.Config{RootCAs: p.tls.Pool(t)}
	}
	o := s3.Options{
		BaseEndpoint: aws.String(p.url()), UsePathStyle: true, Region: region, HTTPClient: &http.Client{Transport: spoken{t, transport, p.tls != nil}},
		Credentials: credentials.NewStaticCredentialsProvider(p.keys.access, p.keys.secret, ""),
	}
	if change != nil {
		change(&o)
	}
	return s3.New(o)
}

// spoken checks that HTTP/2 is spoken where it can be.
type spoken struct {
	t     *testing.T
	via   http.RoundTripper
	http2 bool
}

func (s spoken) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := s.via.RoundTrip(r)
	if err == nil && s.http2 && response.ProtoMajor != 2 {
		s.t.Errorf("%s %s is answered by %s", r.Method, r.URL, response.Proto)
	}
	return response, err
}

// within bounds one request.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
