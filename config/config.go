package config

import (
	"crypto/sha256"
	"encoding/binary"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"rookery/object"
)

// Config is a checked configuration. It is a plain value: treat it as immutable
// once shared.
type Config struct {
	Node    Node
	Server  Server
	Admin   Admin
	Cluster Cluster
	Cache   Cache
	Buckets []Bucket // at least one, in the file's order
	Log     Log
	Prices  Prices
	Network Network
	// AuditLog records who was let in and who was not.
	AuditLog AuditLog
	Reload   Reload
	JWT      JWT
}

// Node says who this node is and where it keeps its data.
type Node struct {
	Name    string // unique in the cluster; default: the host's name
	Zone    string // "" if not told
	DataDir string
}

// Server is the listener of the clients.
type Server struct {
	Address string // an IP address or a host name
	Port    int
	// Domain is the suffix of virtual-host style requests (<bucket>.<Domain>), in
	// lower case; "" turns that style off.
	Domain string
	// Drain is how long a node that is told to end goes on serving, out of the
	// ring and not ready, so that balancers send it nothing more before its port
	// closes.
	Drain time.Duration
	// MaxConcurrentRequests bounds the requests of clients under way, and as many
	// reads of other nodes.
	MaxConcurrentRequests int
	RateLimits            RateLimits
	TLS                   *TLS // nil: HTTP/1.1 in clear
	// TrustedProxies are believed whom they say a request is for.
	TrustedProxies []netip.Prefix
	IPFilter       IPFilter // for all buckets, beside their own
}

// Listen returns the host:port to listen on.
func (s *Server) Listen() string { return net.JoinHostPort(s.Address, strconv.Itoa(s.Port)) }

// Admin is the listener of the operators.
type Admin struct {
	Address string
	Port    int
	Token   Secret    // "" closes everything that wants a token
	TLS     *AdminTLS // nil: none
}

// Listen returns the host:port to listen on.
func (a *Admin) Listen() string { return net.JoinHostPort(a.Address, strconv.Itoa(a.Port)) }

// Log says what is logged and how.
type Log struct {
	Level  slog.Level
	JSON   bool // JSON lines instead of text
	Access bool // a line for each request of a client
	// Slow requests, that take longer from their arrival to their last byte, get a
	// line of their own; 0: none do.
	Slow time.Duration
}

// Cache bounds what the node keeps, and for how long.
type Cache struct {
	MemoryBytes int64 // hot set, flights, peer buffers and index caches together
	DiskBytes   int64 // everything under the data directory together
	// FinishAbandonedBytes bounds what is left of a flight that nobody reads any
	// more for it to go on; it finishes its chunk in any case.
	FinishAbandonedBytes int64
	Freshness            Freshness
}

// Freshness is how long an entry is believed (RFC 9111 §4.2, RFC 5861).
type Freshness = object.Freshness

// Bucket is a route: where clients find it and where its objects are.
type Bucket struct {
	Name string // also its path-style name and its virtual host's first label
	// PathPrefix starts with a slash and ends with none, unless it is "/" alone,
	// which takes what no other bucket takes. It is compared with decoded paths.
	PathPrefix string
	S3         S3
	Freshness  Freshness
	// StaleWithoutLease waives the purge promise while the node is cut off.
	StaleWithoutLease bool
	// TagHeaders are the response headers that carry an object's cache tags, in
	// canonical form.
	TagHeaders []string
	// NoAnonymousLists: a list wants credentials, though the bucket be open.
	NoAnonymousLists bool
	// Lists is for how long a page of names is kept; 0: not at all.
	Lists time.Duration
	// ClientCacheControl: what a client's Cache-Control asks for is done.
	ClientCacheControl bool
	// MaxConcurrentRequests bounds the bucket's share of the server's; 0 is all.
	MaxConcurrentRequests int
	RateLimits            RateLimits // beside the server's
	// AuditReads: the audit log has every read, not only those that are refused.
	AuditReads bool
	// Identity is the name under which what is cached of the bucket is kept apart from
	// what another S3 bucket would give: see Place. "" is where S3 is.
	Identity string
	CORS     []CORSRule
	Auth     BucketAuth
	IPFilter IPFilter
	OPA      *OPA // nil for none
}

// ByS3Bucket returns the buckets' names by the names of their buckets at S3,
// replicas among them. Two buckets may show one at S3, and one may have several.
func (c *Config) ByS3Bucket() map[string][]string {
	all := make(map[string][]string)
	for _, b := range c.Buckets {
		places := []string{b.S3.Bucket}
		for _, r := range b.S3.Replicas {
			places = append(places, r.Bucket)
		}
		slices.Sort(places)
		for _, place := range slices.Compact(places) {
			all[place] = append(all[place], b.Name)
		}
	}
	return all
}

// Place tells what the bucket's objects are known by to all nodes: buckets of one Place
// have the same. It changes with the S3 bucket that the first replica names, and so does
// not find what was stored of another.
func (b *Bucket) Place() uint64 {
	identity := "identity\x00" + b.Identity
	if b.Identity == "" {
		identity = "place\x00" + b.S3.Endpoint + "\x00" + b.S3.Bucket
	}
	sum := sha256.Sum256([]byte(identity))
	return binary.BigEndian.Uint64(sum[:]) | 1 // never 0, which is no place
}

// S3 is a bucket's origin.
type S3 struct {
	Place              // the first replica, and the authority
	Replicas []Replica // the others, by priority
	MaxConns int       // requests at once, at each of them
	Care     Care
}

// Place is one S3 that holds a bucket's objects.
type Place struct {
	Bucket   string
	Region   string
	Endpoint string // a URL without a path; "" is AWS
	// AccessKey and SecretKey are both set or both empty. Empty and not Anonymous
	// is the SDK's default credential chain.
	AccessKey Secret
	SecretKey Secret
	Anonymous bool // requests are not signed
	PathStyle bool
	Timeout   time.Duration // until the response's headers, and for each wait within its body
}

// Replica is a further place. It is asked when those of lower priority fail.
type Replica struct {
	Name     string // unique in its bucket: a label in metrics
	Priority int    // unique in its bucket
	Place
}

// Prices turn bytes and requests into money, in any one currency.
type Prices struct {
	GetPer1000     float64
	EgressPerGB    float64
	CrossZonePerGB float64
}

// Secret is text that is not to be shown: every way of printing it gives the
// mask. Convert it to a string to use it.
type Secret string

const mask = "***"

// String returns the mask.
func (s Secret) String() string { return mask }

// GoString returns the mask, for %#v.
func (s Secret) GoString() string { return mask }

// MarshalText returns the mask, for JSON and slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(mask), nil }

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// defaults returns the values of every key that a file may leave out. The
// node's name and what follows from it are filled in later.
func defaults() *Config {
	return &Config{
		Node:   Node{DataDir: "/var/lib/rookery"},
		Server: Server{Address: "0.0.0.0", Port: 8080, Drain: 5 * time.Second},
		Admin:  Admin{Address: "127.0.0.1", Port: 9080},
		Cluster: Cluster{
			Bind:        "0.0.0.0:7946",
			PeerBind:    "0.0.0.0:7947",
			Expect:      1,
			Lease:       5 * time.Second,
			ForgetAfter: time.Hour,
			PeerTimeout: 3 * time.Second,
		},
		Cache: Cache{
			MemoryBytes:          512 * mib,
			DiskBytes:            10 * gib,
			FinishAbandonedBytes: 8 * mib,
			Freshness: Freshness{
				Default:              time.Hour,
				StaleWhileRevalidate: time.Minute,
				StaleIfError:         24 * time.Hour,
				NotFound:             10 * time.Second,
				Forbidden:            10 * time.Second,
			},
		},
		Log:    Log{Level: slog.LevelInfo, Access: true},
		Reload: Reload{Watch: true},
		Prices: Prices{GetPer1000: 0.0004, EgressPerGB: 0.09, CrossZonePerGB: 0.02},
	}
}
