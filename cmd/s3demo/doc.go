// Package s3demo is the demo's S3: gofakes3 over loopback, with sample objects
// whose bytes are made as they are read, so that 256 MiB of them cost neither
// memory nor disk.
//
// It owns the samples, and what gofakes3 leaves out and a cache in front of S3
// needs: If-Match and If-Unmodified-Since on reads, suffix ranges longer than
// the object, and signatures (checked where there is one; anyone may read, only
// AccessKey may write). Objects that others PUT live in memory until Close; one
// with a sample's name hides the sample until it is deleted.
//
// It is no S3 for work: no versions, no access rules, no presigned URLs.
package s3demo
