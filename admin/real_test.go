package admin_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"rookery/admin"
	"rookery/council"
	"rookery/purge"
)

const (
	realKey    = "ROOKERYTESTKEY"
	realSecret = "rookery-test-secret"
)

// tellingCouncil tells of each order that it takes, and refuses some at first.
type tellingCouncil struct {
	*fakeCouncil
	took    chan purge.Order
	refuses chan error
}

func (c *tellingCouncil) PurgeMany(ctx context.Context, orders []purge.Order, wait time.Duration) ([]*council.Report, error) {
	select {
	case err := <-c.refuses:
		return nil, err
	default:
	}
	reports, err := c.fakeCouncil.PurgeMany(ctx, orders, wait)
	for _, o := range orders {
		c.took <- o
	}
	return reports, err
}

// await waits until each name has been purged as often as it must be.
func (c *tellingCouncil) await(ctx context.Context, t *testing.T, missing map[string]int) {
	t.Helper()
	for len(missing) > 0 {
		select {
		case o := <-c.took:
			for _, s := range o.Scopes {
				if missing[s.Name]--; s.Bucket != "public" || missing[s.Name] < 0 {
					t.Errorf("purged %+v", s)
				} else if missing[s.Name] == 0 {
					delete(missing, s.Name)
				}
			}
		case <-ctx.Done():
			t.Fatalf("never purged: %v", missing)
		}
	}
}

// startMinio runs a MinIO whose webhook goes to a node's admin listener, and
// returns a client of it. The program is of others, in the directory that
// ROOKERY_REAL_ORIGINS names.
func startMinio(t *testing.T, events string) *s3.Client {
	programs := os.Getenv("ROOKERY_REAL_ORIGINS")
	if programs == "" {
		t.Skip("ROOKERY_REAL_ORIGINS names no directory with minio")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	var said bytes.Buffer
	cmd := exec.Command(filepath.Join(programs, "minio"), "server", "--quiet", "--address", address, "--console-address", "127.0.0.1:0", t.TempDir())
	cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+realKey, "MINIO_ROOT_PASSWORD="+realSecret, "MINIO_BROWSER=off", "MINIO_UPDATE=off",
		"MINIO_NOTIFY_WEBHOOK_ENABLE_R=on", "MINIO_NOTIFY_WEBHOOK_ENDPOINT_R="+events, "MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_R="+token,
		"MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_R="+t.TempDir())
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // "signal: killed"
		if t.Failed() {
			t.Logf("minio said:\n%s", said.String())
		}
	})
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	endpoint := "http://" + address
	return s3.New(s3.Options{
		BaseEndpoint: &endpoint, UsePathStyle: true, Region: "us-east-1", HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(realKey, realSecret, ""), RetryMaxAttempts: 20,
	})
}

// A real MinIO's events purge what they name, with odd keys too, each time anew, and
// after a refusal.
func TestRealMinioEvents(t *testing.T) {
	c := &tellingCouncil{newCouncil(), make(chan purge.Order, 100), make(chan error, 1)}
	client := startMinio(t, listening(t, c, func(o *admin.Options) { o.Origins = map[string][]string{"acme": {"public"}} }))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bucket := aws.String("acme")
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	_, err := client.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{
		Bucket: bucket, NotificationConfiguration: &types.NotificationConfiguration{QueueConfigurations: []types.QueueConfiguration{{
			QueueArn: aws.String("arn:minio:sqs::R:webhook"), Events: []types.Event{"s3:ObjectCreated:*", "s3:ObjectRemoved:*"},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.refuses <- errors.New("no quorum, and no disk to keep it on")
	missing := map[string]int{"plain": 2} // the tagging and the DELETE
	for _, key := range []string{"plain", "a b+c%2Fd/ä?x=1&y.txt", "%41", "+", "dir/€ 100%"} {
		for range 2 { // the same bytes again are another event
			if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader("1")}); err != nil {
				t.Fatal(err)
			}
			missing[key]++
		}
	}
	tags := &types.Tagging{TagSet: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}
	if _, err := client.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: bucket, Key: aws.String("plain"), Tagging: tags}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("plain")}); err != nil {
		t.Fatal(err)
	}
	c.await(ctx, t, missing)
	if len(c.refuses) != 0 {
		t.Error("nothing was refused")
	}
}
