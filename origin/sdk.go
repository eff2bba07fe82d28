package origin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"rookery/object"
)

// complete fills in what may be left out, and says what may not.
func (o *Options) complete() error {
	switch {
	case o.Bucket == "":
		return errors.New("origin: no bucket")
	case (o.AccessKey == "") != (o.SecretKey == ""):
		return errors.New("origin: an access key and a secret key belong together")
	case o.Anonymous && o.AccessKey != "":
		return errors.New("origin: anonymous, but with keys")
	}
	if o.Endpoint != "" {
		u, err := url.Parse(o.Endpoint)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return fmt.Errorf("origin: endpoint %q is not an http or https URL", o.Endpoint)
		}
	}
	o.Replica = orElse(o.Replica, primary)
	if o.Metrics == nil {
		o.Metrics = metrics.NewSet()
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.dial == nil {
		o.dial = (&net.Dialer{Timeout: o.Timeout, KeepAlive: 30 * time.Second}).DialContext
	}
	return nil
}

// newTransport speaks HTTP/1.1: a body has a connection of its own, and a slow
// one holds up no other.
func newTransport(o Options) *http.Transport {
	idle := o.MaxConns
	if idle == 0 {
		idle = 256
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            o.dial,
		TLSHandshakeTimeout:    o.Timeout,
		MaxConnsPerHost:        o.MaxConns,
		MaxIdleConnsPerHost:    idle,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 2 * object.MaxInfoBytes,
		DisableCompression:     true, // Content-Encoding belongs to the object
	}
}

// wire sends a request as it is: http.Client would follow redirects.
type wire struct{ *http.Transport }

func (w wire) Do(r *http.Request) (*http.Response, error) { return w.RoundTrip(r) }

func newSDK(ctx context.Context, o Options, transport *http.Transport) (*s3.Client, error) {
	cfg, err := awsConfig(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("origin: default credential chain: %w", err)
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	return s3.NewFromConfig(cfg, func(so *s3.Options) {
		so.HTTPClient = wire{transport}
		so.UsePathStyle = o.PathStyle
		so.Retryer = aws.NopRetryer{}
		so.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		so.Logger = sdkLog{o.Log}
		so.APIOptions = append(so.APIOptions, leaveAnswer)
		if o.Endpoint != "" {
			so.BaseEndpoint = &o.Endpoint
		}
	}), nil
}

// awsConfig reads files and the environment only for the default chain.
func awsConfig(ctx context.Context, o Options) (aws.Config, error) {
	switch {
	case o.Anonymous:
		return aws.Config{Region: o.Region, Credentials: aws.AnonymousCredentials{}}, nil
	case o.AccessKey != "":
		keys := credentials.NewStaticCredentialsProvider(o.AccessKey, o.SecretKey, o.SessionToken)
		return aws.Config{Region: o.Region, Credentials: keys}, nil
	}
	var with []func(*config.LoadOptions) error
	if o.Region != "" {
		with = append(with, config.WithRegion(o.Region))
	}
	return config.LoadDefaultConfig(ctx, with...)
}

// leaveAnswer puts a stand-in where the SDK reads answers. Its own reader gives
// up on a header it cannot parse, and reads error documents of any length.
func leaveAnswer(stack *middleware.Stack) error {
	_, err := stack.Deserialize.Swap("OperationDeserializer", standIn{})
	return err
}

type standIn struct{}

func (standIn) ID() string { return "OperationDeserializer" }

func (standIn) HandleDeserialize(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	middleware.DeserializeOutput, middleware.Metadata, error,
) {
	out, metadata, err := next.HandleDeserialize(ctx, in)
	out.Result = emptyResult(middleware.GetOperationName(ctx))
	return out, metadata, err
}

// emptyResult is of the type that the SDK expects of the operation.
func emptyResult(operation string) any {
	switch operation {
	case "HeadObject":
		return &s3.HeadObjectOutput{}
	case "ListObjectsV2":
		return &s3.ListObjectsV2Output{}
	case "ListObjects":
		return &s3.ListObjectsOutput{}
	case "GetObjectAttributes":
		return &s3.GetObjectAttributesOutput{}
	case "GetObjectTagging":
		return &s3.GetObjectTaggingOutput{}
	}
	return &s3.GetObjectOutput{}
}

// response returns the answer that the SDK left alone.
func response(m middleware.Metadata) *http.Response {
	return awsmiddleware.GetRawResponse(m).(*smithyhttp.Response).Response
}

// sdkLog takes what the SDK has to say.
type sdkLog struct{ log *slog.Logger }

func (l sdkLog) Logf(c logging.Classification, format string, v ...any) {
	level := slog.LevelDebug
	if c == logging.Warn {
		level = slog.LevelWarn
	}
	l.log.Log(context.Background(), level, "aws sdk: "+fmt.Sprintf(format, v...))
}
