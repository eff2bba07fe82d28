package run

import (
	"rookery/config"
	"rookery/origin"
)

// places are the S3s that hold a bucket's objects, the first of them first.
func (n *Node) places(b *config.Bucket) []origin.Options {
	all := []origin.Options{n.place(b, "", &b.S3.Place)}
	for i := range b.S3.Replicas {
		r := &b.S3.Replicas[i]
		all = append(all, n.place(b, r.Name, &r.Place))
	}
	return all
}

func (n *Node) place(b *config.Bucket, replica string, p *config.Place) origin.Options {
	return origin.Options{
		Name: b.Name, Replica: replica, Bucket: p.Bucket, Region: p.Region, Endpoint: p.Endpoint,
		AccessKey: string(p.AccessKey), SecretKey: string(p.SecretKey), Anonymous: p.Anonymous,
		PathStyle: p.PathStyle, AllowLinkLocal: n.cfg.Network.AllowLinkLocal, Timeout: p.Timeout, MaxConns: b.S3.MaxConns, Log: n.log, Metrics: n.metrics,
	}
}

func care(s *config.S3) origin.Care {
	c := origin.Care{
		Breaker:     origin.Breaker(s.Care.Breaker),
		MaxRequests: s.MaxConns, RequestsPerSecond: s.Care.RequestsPerSecond,
	}
	if s.Care.Hedge.Enabled {
		c.Hedge = origin.Hedge{Quantile: s.Care.Hedge.Quantile, MaxExtra: s.Care.Hedge.MaxExtra}
	}
	return c
}
