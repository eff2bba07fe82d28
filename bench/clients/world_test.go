package clients

import (
	"bytes"
	"context"
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
)

const (
	accessKey = "ROOKERYTESTKEY"
	secretKey = "rookery-test-secret"
	region    = "eu-central-1"
	bucket    = "fixtures"
	domain    = "s3.localhost"
)

// place is somewhere that clients are sent: S3 itself, or a node.
type place struct {
	name    string
	address string // host:port
}

func (p place) url() string { return "http://" + p.address }

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
	w := &world{tools: tools, direct: place{name: "versitygw", address: startVersity(t, filepath.Join(tools, "versitygw"))}}
	fill(t, w.direct)
	started, err := nodes.Start(t.Context(), nodes.Options{
		Program: program, Nodes: 3, Dir: t.TempDir(), MemoryMiB: 128, DiskMiB: 1024, Domain: domain,
		Buckets: fmt.Sprintf(`
  - name: %[1]s
    s3: {bucket: %[1]s, region: %s, endpoint: %q, access_key: %s, secret_key: %s}
`, bucket, region, w.direct.url(), accessKey, secretKey),
	})
	t.Cleanup(func() {
		if err := nodes.Stop(started); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range started {
		w.nodes = append(w.nodes, place{name: n.Name, address: n.Client})
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
	cmd := exec.Command(program, "--port", address, "--access", accessKey, "--secret", secretKey, "--region", region,
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
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	o := s3.Options{
		BaseEndpoint: aws.String(p.url()), UsePathStyle: true, Region: region, HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	}
	if change != nil {
		change(&o)
	}
	return s3.New(o)
}

// within bounds one request.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
