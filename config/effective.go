package config

import (
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"rookery/object"
)

// Effective returns the configuration as YAML with every default written out,
// in the file's own keys and units. Secrets are masked, and the mask is refused
// where a secret is read: with the secrets put back the text gives an equal
// Config, without them it cannot start a node by accident.
func (c *Config) Effective() []byte {
	text, err := yaml.MarshalWithOptions(yaml.MapSlice{
		{Key: "node", Value: compact(yaml.MapSlice{
			{Key: "name", Value: escape(c.Node.Name)},
			{Key: "zone", Value: escape(c.Node.Zone)},
			{Key: "data_dir", Value: escape(c.Node.DataDir)},
		})},
		{Key: "server", Value: c.Server.effective()},
		{Key: "admin", Value: c.Admin.effective()},
		{Key: "cluster", Value: c.Cluster.effective()},
		{Key: "cache", Value: yaml.MapSlice{
			{Key: "memory", Value: formatSize(c.Cache.MemoryBytes)},
			{Key: "disk", Value: formatSize(c.Cache.DiskBytes)},
			{Key: "finish_abandoned", Value: formatSize(c.Cache.FinishAbandonedBytes)},
			{Key: "freshness", Value: effectiveFreshness(&c.Cache.Freshness)},
		}},
		{Key: "network", Value: c.Network.effective()},
		{Key: "audit_log", Value: c.AuditLog.effective()},
		{Key: "log", Value: c.Log.effective()},
		{Key: "reload", Value: c.Reload.effective()},
		{Key: "prices", Value: yaml.MapSlice{
			{Key: "get_per_1000", Value: c.Prices.GetPer1000},
			{Key: "egress_per_gb", Value: c.Prices.EgressPerGB},
			{Key: "cross_zone_per_gb", Value: c.Prices.CrossZonePerGB},
		}},
		{Key: "jwt", Value: c.JWT.effective()},
		{Key: "buckets", Value: effectiveBuckets(c.Buckets)},
	}, yaml.IndentSequence(true))
	if err != nil {
		panic(err) // texts, numbers and lists of them can always be written
	}
	return text
}

func (s *Server) effective() yaml.MapSlice {
	section := compact(yaml.MapSlice{
		{Key: "address", Value: s.Address},
		{Key: "port", Value: s.Port},
		{Key: "domain", Value: s.Domain},
		{Key: "drain", Value: formatDuration(s.Drain)},
		{Key: "max_concurrent_requests", Value: s.MaxConcurrentRequests},
	})
	if s.TLS != nil {
		section = append(section, yaml.MapItem{Key: "tls", Value: s.TLS.effective()})
	}
	if len(s.TrustedProxies) > 0 {
		section = append(section, yaml.MapItem{Key: "trusted_proxies", Value: networkTexts(s.TrustedProxies)})
	}
	if filter := s.IPFilter.effective(); len(filter) > 0 {
		section = append(section, yaml.MapItem{Key: "ip_filter", Value: filter})
	}
	if limits := s.RateLimits.effective(); len(limits) > 0 {
		section = append(section, yaml.MapItem{Key: "rate_limits", Value: limits})
	}
	return section
}

func (c *Cluster) effective() yaml.MapSlice {
	section := compact(yaml.MapSlice{
		{Key: "bind", Value: c.Bind},
		{Key: "advertise", Value: c.Advertise},
		{Key: "peer_bind", Value: c.PeerBind},
		{Key: "join", Value: escapeAll(c.Join)},
		{Key: "gossip_key", Value: masked(Secret(c.GossipKey))},
		{Key: "gossip_key_file", Value: escape(c.GossipKeyFile)},
		{Key: "label", Value: c.Label},
		{Key: "founder", Value: c.Founder},
		{Key: "expect", Value: c.Expect},
		{Key: "lease", Value: formatDuration(c.Lease)},
		{Key: "forget_after", Value: formatDuration(c.ForgetAfter)},
		{Key: "peer_timeout", Value: formatDuration(c.PeerTimeout)},
	})
	if c.PeerTLS != nil {
		section = append(section, yaml.MapItem{Key: "peer_tls", Value: yaml.MapSlice{
			{Key: "cert", Value: escape(c.PeerTLS.Cert)},
			{Key: "key", Value: escape(c.PeerTLS.Key)},
			{Key: "ca", Value: escape(c.PeerTLS.CA)},
		}})
	}
	return section
}

func effectiveFreshness(f *Freshness) yaml.MapSlice {
	section := yaml.MapSlice{
		{Key: "default", Value: formatDuration(f.Default)},
		{Key: "stale_while_revalidate", Value: formatDuration(f.StaleWhileRevalidate)},
		{Key: "stale_if_error", Value: formatDuration(f.StaleIfError)},
		{Key: "negative_404", Value: formatDuration(f.NotFound)},
		{Key: "negative_403", Value: formatDuration(f.Forbidden)},
		{Key: "ignore_origin", Value: f.IgnoreOrigin},
	}
	for _, windows := range []struct {
		key string
		w   *object.Windows
	}{{"override", &f.Override}, {"max", &f.Max}} {
		if given := effectiveWindows(windows.w); len(given) > 0 {
			section = append(section, yaml.MapItem{Key: windows.key, Value: given})
		}
	}
	return section
}

func effectiveWindows(w *object.Windows) (section yaml.MapSlice) {
	for _, own := range []struct {
		key string
		is  *time.Duration
	}{{"fresh", w.Fresh}, {"stale_while_revalidate", w.StaleWhileRevalidate}, {"stale_if_error", w.StaleIfError}} {
		if own.is != nil {
			section = append(section, yaml.MapItem{Key: own.key, Value: formatDuration(*own.is)})
		}
	}
	return section
}

func (l *Log) effective() yaml.MapSlice {
	format := "text"
	if l.JSON {
		format = "json"
	}
	return yaml.MapSlice{
		{Key: "level", Value: strings.ToLower(l.Level.String())},
		{Key: "format", Value: format},
		{Key: "access", Value: l.Access},
		{Key: "slow", Value: formatDuration(l.Slow)},
	}
}

func effectiveBuckets(buckets []Bucket) []yaml.MapSlice {
	all := make([]yaml.MapSlice, len(buckets))
	for i, b := range buckets {
		all[i] = yaml.MapSlice{
			{Key: "name", Value: b.Name},
			{Key: "path_prefix", Value: escape(b.PathPrefix)},
			{Key: "anonymous_lists", Value: !b.NoAnonymousLists},
			{Key: "s3", Value: b.S3.effective()},
			{Key: "auth", Value: b.Auth.effective()},
			{Key: "cache", Value: append(compact(yaml.MapSlice{{Key: "identity", Value: b.Identity}}), yaml.MapSlice{
				{Key: "freshness", Value: effectiveFreshness(&b.Freshness)},
				{Key: "stale_without_lease", Value: b.StaleWithoutLease},
				{Key: "tag_header", Value: escapeAll(b.TagHeaders)},
				{Key: "client_cache_control", Value: b.ClientCacheControl},
				{Key: "lists", Value: formatDuration(b.Lists)},
			}...)},
		}
		if b.OPA != nil {
			all[i] = append(all[i], yaml.MapItem{Key: "authorization", Value: b.OPA.effective()})
		}
		if len(b.CORS) > 0 {
			all[i] = append(all[i], yaml.MapItem{Key: "cors", Value: effectiveCORS(b.CORS)})
		}
		all[i] = append(all[i], b.effectiveBounds()...)
		if filter := b.IPFilter.effective(); len(filter) > 0 {
			all[i] = append(all[i], yaml.MapItem{Key: "ip_filter", Value: filter})
		}
	}
	return all
}

func (o *S3) effective() yaml.MapSlice {
	section := append(o.Place.effective(), yaml.MapItem{Key: "connection_pool_size", Value: o.MaxConns})
	section = append(section, o.Care.effective()...)
	if len(o.Replicas) == 0 {
		return section
	}
	replicas := make([]yaml.MapSlice, len(o.Replicas))
	for i, r := range o.Replicas {
		replicas[i] = append(yaml.MapSlice{{Key: "name", Value: r.Name}, {Key: "priority", Value: r.Priority}}, r.Place.effective()...)
	}
	return append(section, yaml.MapItem{Key: "replicas", Value: replicas})
}

func (o *Place) effective() yaml.MapSlice {
	return compact(yaml.MapSlice{
		{Key: "bucket", Value: escape(o.Bucket)},
		{Key: "region", Value: escape(o.Region)},
		{Key: "endpoint", Value: escape(o.Endpoint)},
		{Key: "access_key", Value: masked(o.AccessKey)},
		{Key: "secret_key", Value: masked(o.SecretKey)},
		{Key: "anonymous", Value: o.Anonymous},
		{Key: "path_style", Value: o.PathStyle},
		{Key: "timeout", Value: formatDuration(o.Timeout)},
	})
}

func escapeAll(texts []string) []string {
	all := make([]string, len(texts))
	for i, text := range texts {
		all[i] = escape(text)
	}
	return all
}

func masked(s Secret) string {
	if s == "" {
		return ""
	}
	return mask
}

// compact leaves out what is not set: an empty value is an error where it is read.
func compact(section yaml.MapSlice) yaml.MapSlice {
	kept := section[:0]
	for _, item := range section {
		switch value := item.Value.(type) {
		case string:
			if value == "" {
				continue
			}
		case []string:
			if len(value) == 0 {
				continue
			}
		}
		kept = append(kept, item)
	}
	return kept
}
