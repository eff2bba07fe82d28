package config

import (
	"math"
	"slices"
)

// primary is what the first replica is called in metrics.
const primary = "primary"

// readReplicas reads where a bucket's objects are: in s3 itself, which is the
// first, and in its replicas. A file of the old program names the first among the
// replicas, beside s3 or in its place; here that is s3 itself.
func readReplicas(s *section, o *S3) {
	readPlace(s, &o.Place)
	sections, _ := s.list("replicas")
	lines := map[string]position{}
	for i, r := range sections {
		replica := Replica{Priority: i + 1}
		readReplica(r, &replica)
		for _, same := range o.Replicas {
			if same.Name == replica.Name && same.Name != "" {
				r.fail("name", "%s is the name of another replica too (line %d)", same.Name, lines[same.Name].line)
			}
			if same.Priority == replica.Priority {
				r.fail("priority", "%d is the priority of replica %s too", same.Priority, same.Name)
			}
		}
		lines[replica.Name] = r.at
		o.Replicas = append(o.Replicas, replica)
	}
	slices.SortStableFunc(o.Replicas, func(a, b Replica) int { return a.Priority - b.Priority })
	takeFirst(s, o)
	for i := range o.Replicas {
		if o.Replicas[i].Name == primary {
			s.doc.fail(lines[primary], "%s: %s is what s3 is called, the first: give this replica another name", s.key("replicas"), primary)
		}
	}
}

func readReplica(s *section, r *Replica) {
	switch {
	case !s.text("name", &r.Name):
		s.missing("name")
	case !bucketName.MatchString(r.Name):
		s.fail("name", "%q: want 1 to 63 letters, digits, dots, dashes or underscores, a letter or digit first", r.Name)
	}
	s.integer("priority", &r.Priority, 1, math.MaxInt32)
	readPlace(s, &r.Place)
	if r.Bucket == "" {
		s.missing("bucket")
	}
}

// takeFirst makes the first replica s3 itself where the file means that.
func takeFirst(s *section, o *S3) {
	alone := s.has("bucket")
	for _, key := range []string{"region", "endpoint", "access_key", "secret_key", "anonymous", "path_style", "timeout"} {
		alone = alone || s.has(key)
	}
	if !alone && len(o.Replicas) > 0 {
		o.Place, o.Replicas = o.Replicas[0].Place, o.Replicas[1:]
		return
	}
	if o.Bucket == "" {
		s.missing("bucket")
	}
	i := slices.IndexFunc(o.Replicas, func(r Replica) bool {
		return r.Bucket == o.Bucket && r.Region == o.Region && r.Endpoint == o.Endpoint
	})
	switch {
	case i == 0:
		o.Place, o.Replicas = o.Replicas[0].Place, o.Replicas[1:]
	case i > 0:
		s.fail("replicas", "%s is s3 itself, which is the first: leave it out or give it the lowest priority", o.Replicas[i].Name)
	}
}
