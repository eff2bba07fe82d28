package clients

import (
	"bytes"
	"io"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"rookery/internal/pattern"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	// partBytes are those of a part of what is uploaded in parts.
	partBytes = 5 * mib
)

// names are those that make clients and servers stumble, as far as versitygw, which
// keeps objects as files, can be given them.
var names = []string{
	"plain.txt", "with space.txt", "a+b.txt", "100%.txt", "slash%2Fencoded.txt", "percent%20name.txt", "dots..in..name", "dir/.hidden", "..two/dots",
	"ünï/cödé/日本語.txt", "emoji-\U0001F426.txt", "e\u0301-decomposed.txt", "quote'and\"double.txt", "semi;colon,comma=equals&and.txt",
	"question?mark#hash.txt", "tilde~star*paren().txt", "at@colon:dollar$.txt", "bracket[1]{2}.txt", "back`tick^caret|pipe<less>.txt", "trailing space ",
}

// objects are all that the S3 holds.
func objects() []pattern.Object {
	all := []pattern.Object{
		{Key: "sizes/empty", Size: 0}, {Key: "sizes/one", Size: 1}, {Key: "sizes/64k", Size: 64 * kib},
		{Key: "sizes/8m-in-parts", Size: 8 * mib}, {Key: "large/100m", Size: 100 * mib},
	}
	for _, name := range names {
		all = append(all, pattern.Object{Key: "names/" + name, Size: kib})
	}
	for i := range all {
		all[i].Bucket = bucket
	}
	return all
}

// fill puts the objects into a place, by the SDK alone.
func fill(t *testing.T, p place) {
	t.Helper()
	client := sdk(t, p, nil)
	if _, err := client.CreateBucket(within(t), &s3.CreateBucketInput{Bucket: aws.String(bucket)}); err != nil {
		t.Fatal(err)
	}
	for _, o := range objects() {
		put := func() error { return putWhole(t, client, o) }
		if o.Size > partBytes {
			put = func() error { return putParts(t, client, o) }
		}
		if err := put(); err != nil {
			t.Fatalf("%q: %v", o.Key, err)
		}
	}
}

func putWhole(t *testing.T, client *s3.Client, o pattern.Object) error {
	_, err := client.PutObject(within(t), &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: &o.Key, Body: bytes.NewReader(o.Bytes(0, o.Size)), ContentType: aws.String("text/x-rookery"),
		CacheControl: aws.String("max-age=77"), ContentDisposition: aws.String(`attachment; filename="x"`), ContentLanguage: aws.String("de"),
		Metadata: map[string]string{"colour": "blue", "weight": "1 kg"}, ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
	})
	return err
}

func putParts(t *testing.T, client *s3.Client, o pattern.Object) error {
	begun, err := client.CreateMultipartUpload(within(t), &s3.CreateMultipartUploadInput{
		Bucket: aws.String(bucket), Key: &o.Key, ContentType: aws.String("application/x-parts"), Metadata: map[string]string{"made": "in parts"},
	})
	if err != nil {
		return err
	}
	var done []types.CompletedPart
	for from := int64(0); from < o.Size; from += partBytes {
		size := min(partBytes, o.Size-from)
		number := aws.Int32(int32(len(done) + 1))
		part, err := client.UploadPart(within(t), &s3.UploadPartInput{
			Bucket: aws.String(bucket), Key: &o.Key, UploadId: begun.UploadId, PartNumber: number, Body: io.NewSectionReader(o.Reader(), from, size),
		})
		if err != nil {
			return err
		}
		done = append(done, types.CompletedPart{ETag: part.ETag, PartNumber: number, ChecksumCRC32: part.ChecksumCRC32})
	}
	_, err = client.CompleteMultipartUpload(within(t), &s3.CompleteMultipartUploadInput{
		Bucket: aws.String(bucket), Key: &o.Key, UploadId: begun.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	})
	return err
}
