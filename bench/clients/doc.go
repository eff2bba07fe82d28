// Package clients is the proof that S3 clients which know nothing of Rookery use it
// unchanged: aws-cli, boto3, rclone, s3cmd, mc and the Go SDK, each as others have
// built it, are given the same commands for a real S3 (versitygw, a process) and for
// three nodes in front of it. What they print, what they write to disk and how they
// end must be the same.
//
// It is tests alone. `make test-clients` runs it; elsewhere its TestClients is skipped
// and says why.
package clients
