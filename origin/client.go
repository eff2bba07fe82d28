package origin

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"rookery/object"
)

// Options say which S3 bucket is asked, and how.
type Options struct {
	Name     string // the configured bucket's name: a label in metrics
	Replica  string // this S3's name among those that hold the bucket, another label; "" is "primary"
	Bucket   string // the origin's bucket
	Region   string // "" is the default chain's region, else us-east-1
	Endpoint string // "" is AWS; else an http or https URL

	// With AccessKey and SecretKey they sign; with Anonymous nothing does; with
	// neither the SDK's default credential chain is asked.
	AccessKey, SecretKey, SessionToken string
	Anonymous                          bool

	PathStyle bool // bucket in the path instead of the host
	// Timeout bounds the wait for an answer's headers, the connection included,
	// and each wait for more of a body. 0 means DefaultTimeout.
	Timeout  time.Duration
	MaxConns int // connections at once; 0 is no limit

	Log     *slog.Logger     // the SDK's warnings; nil discards them
	Metrics *metrics.Set     // nil counts for nobody
	Now     func() time.Time // nil is time.Now

	// dial stands in for the network in tests of virtual-host names.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// DefaultTimeout is how long an origin may be silent.
const DefaultTimeout = 30 * time.Second

// Client asks one bucket of one S3. Its methods may be called from any number of
// goroutines.
type Client struct {
	name    string // the configured bucket's
	bucket  string // the origin's
	sdk     *s3.Client
	http    *http.Transport
	timeout time.Duration
	now     func() time.Time
	count   counters
}

// New returns a client. It asks nothing of S3, but may read the files and the
// environment of the default credential chain. An error names the option at
// fault.
func New(ctx context.Context, o Options) (*Client, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	transport := newTransport(o)
	sdk, err := newSDK(ctx, o, transport)
	if err != nil {
		return nil, err
	}
	return &Client{
		name:    o.Name,
		bucket:  o.Bucket,
		sdk:     sdk,
		http:    transport,
		timeout: o.Timeout,
		now:     o.Now,
		count:   newCounters(newLabels(o)),
	}, nil
}

// Close closes the idle connections. Bodies still open go on.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Head asks for a key's info; with an ifNoneMatch ETag only if it is another one
// now, and else *object.NotModified.
//
// Errors are *object.OriginError (S3's own, or 502 and 504 where it gave no
// answer), object.ErrBroken, and ctx's. The info's Validated is the time before
// the request was sent; its Note is the caller's to set.
func (c *Client) Head(ctx context.Context, key object.Key, ifNoneMatch string) (*object.Info, error) {
	return c.head(ctx, headKind, key, ifNoneMatch)
}

func (c *Client) head(ctx context.Context, k kind, key object.Key, ifNoneMatch string) (*object.Info, error) {
	if key.Name == "" {
		return nil, noName()
	}
	ctx, x := c.begin(ctx, k)
	in := &s3.HeadObjectInput{
		Bucket: &c.bucket, Key: &key.Name, VersionId: optional(key.Version),
		IfNoneMatch: optional(ifNoneMatch), ChecksumMode: types.ChecksumModeEnabled,
	}
	if key.Part != 0 {
		in.PartNumber = aws.Int32(int32(key.Part))
	}
	out, err := c.sdk.HeadObject(ctx, in)
	if err != nil {
		return nil, x.unanswered(err)
	}
	res := response(out.ResultMetadata)
	defer res.Body.Close()
	var info *object.Info
	if key.Part == 0 {
		info, err = c.judgeHead(res, ifNoneMatch, x.start)
	} else {
		info, err = c.judgePartHead(res, key.Part, x.start)
	}
	x.judged(err)
	x.cancel(nil)
	return info, err
}

// Get asks for an object or a range of it; the bytes of one part of a multipart upload
// are such a range, which the part's Head tells. The caller closes the answer's Body;
// ctx governs its reading too.
//
// Errors are those of Head, and object.ErrGone when S3 no longer has what
// f.IfMatch named.
func (c *Client) Get(ctx context.Context, f object.Fetch) (*object.Fetched, error) {
	if f.Key.Name == "" {
		return nil, noName()
	}
	ctx, x := c.begin(ctx, getKind)
	in := &s3.GetObjectInput{
		Bucket: &c.bucket, Key: &f.Key.Name, VersionId: optional(f.Key.Version),
		IfMatch: optional(f.IfMatch), IfNoneMatch: optional(f.IfNoneMatch),
	}
	var with []func(*s3.Options)
	if f.To != 0 {
		in.Range = aws.String("bytes=" + strconv.FormatInt(f.From, 10) + "-" + strconv.FormatInt(f.To-1, 10))
	} else {
		// Set past the input's ChecksumMode, which would have the SDK wrap and
		// check the body.
		with = append(with, s3.WithAPIOptions(smithyhttp.SetHeaderValue("X-Amz-Checksum-Mode", "ENABLED")))
	}
	out, err := c.sdk.GetObject(ctx, in, with...)
	if err != nil {
		return nil, x.unanswered(err)
	}
	res := response(out.ResultMetadata)
	fetched, err := c.judgeGet(res, f, x.start)
	x.judged(err)
	if err != nil {
		res.Body.Close()
		x.cancel(nil)
		return nil, err
	}
	fetched.Body = &body{from: res.Body, left: fetched.Length, exchange: x}
	return fetched, nil
}

// optional is the SDK's way to leave a parameter out.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
