// Package s3 keeps objects in a bucket of S3 or a server that speaks its protocol and honours
// If-None-Match and If-Match on PutObject. Credentials, region and endpoint come from the usual
// AWS_… environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL_S3).
package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"shitpost-alpha/lake/objects"
)

// Store is the objects.Store below one prefix of one bucket.
type Store struct {
	client *s3.Client
	bucket string
	prefix string // "" or ends with a slash
}

// answerTimeout is how long a server may take to begin its answer.
const answerTimeout = 30 * time.Second

// Open returns the store of bucket and prefix, configured from the environment. It makes no request.
func Open(ctx context.Context, bucket, prefix string) (*Store, error) {
	// A server that takes a request and never answers must not hold a service for ever.
	transport := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = answerTimeout })
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(transport))
	if err != nil {
		return nil, fmt.Errorf("read AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1" // servers that are not AWS do not care, but signing needs one
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		// A server of one's own has no names for its buckets in the DNS.
		o.UsePathStyle = cfg.BaseEndpoint != nil || o.BaseEndpoint != nil
	})
	return New(client, bucket, prefix), nil
}

// New returns the store of bucket and prefix with a client made by the caller.
func New(client *s3.Client, bucket, prefix string) *Store {
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return &Store{client: client, bucket: bucket, prefix: prefix}
}

// Get implements objects.Store.
func (s *Store) Get(ctx context.Context, key string) ([]byte, objects.Info, error) {
	if err := objects.CheckKey(key); err != nil {
		return nil, objects.Info{}, err
	}
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)})
	if err != nil {
		if s.status(err) == http.StatusNotFound && isNoObject(err) {
			return nil, objects.Info{}, fmt.Errorf("get %q: %w", key, objects.ErrNotFound)
		}
		return nil, objects.Info{}, s.wrap("get", key, err)
	}
	defer out.Body.Close()
	data, err := readAll(out.Body, aws.ToInt64(out.ContentLength))
	if err != nil {
		return nil, objects.Info{}, s.wrap("get", key, err)
	}
	return data, objects.Info{Key: key, Size: int64(len(data)), ETag: aws.ToString(out.ETag),
		Modified: aws.ToTime(out.LastModified), Clock: clock(out.ResultMetadata)}, nil
}

func readAll(r io.Reader, size int64) ([]byte, error) {
	buf := bytes.NewBuffer(make([]byte, 0, max(size, 0)+bytes.MinRead))
	if _, err := buf.ReadFrom(r); err != nil {
		return nil, err
	}
	if size >= 0 && int64(buf.Len()) != size {
		return nil, fmt.Errorf("body has %d of %d bytes: %w", buf.Len(), size, io.ErrUnexpectedEOF)
	}
	return buf.Bytes(), nil
}

// putTries is how often a Put is sent while the server answers 409: another conditional request
// on the key is under way, and the same Put again will be decided (AWS: ConditionalRequestConflict).
const putTries = 8

// Put implements objects.Store.
func (s *Store) Put(ctx context.Context, key string, data []byte, cond objects.Condition) (objects.Info, error) {
	if err := objects.CheckKey(key); err != nil {
		return objects.Info{}, err
	}
	for try := 1; ; try++ {
		in := &s3.PutObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key), Body: bytes.NewReader(data)}
		if cond.Absent() {
			in.IfNoneMatch = aws.String("*")
		}
		if cond.ETag() != "" {
			in.IfMatch = aws.String(cond.ETag())
		}
		out, err := s.client.PutObject(ctx, in)
		if err == nil {
			return objects.Info{Key: key, Size: int64(len(data)), ETag: aws.ToString(out.ETag), Clock: clock(out.ResultMetadata)}, nil
		}
		status := s.status(err)
		switch {
		case status == http.StatusPreconditionFailed,
			status == http.StatusNotFound && cond.ETag() != "" && !isNoBucket(err): // no object to match: lost too
			return objects.Info{}, fmt.Errorf("put %q: %w", key, objects.ErrPrecondition)
		case status != http.StatusConflict || try == putTries:
			return objects.Info{}, s.wrap("put", key, err)
		}
		select {
		case <-ctx.Done():
			return objects.Info{}, s.wrap("put", key, ctx.Err())
		case <-time.After(time.Duration(try) * 20 * time.Millisecond):
		}
	}
}

// List implements objects.Store.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[objects.Info, error] {
	return func(yield func(objects.Info, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix)}
		if after != "" {
			in.StartAfter = aws.String(s.prefix + after)
		}
		pages := s3.NewListObjectsV2Paginator(s.client, in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(objects.Info{}, s.wrap("list", prefix, err))
				return
			}
			for _, o := range page.Contents {
				key := strings.TrimPrefix(aws.ToString(o.Key), s.prefix)
				if strings.HasSuffix(key, "/") {
					continue // a folder marker, which some consoles make
				}
				if !yield(objects.Info{Key: key, Size: aws.ToInt64(o.Size), ETag: aws.ToString(o.ETag), Modified: aws.ToTime(o.LastModified)}, nil) {
					return
				}
			}
		}
	}
}

// Delete implements objects.Store.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := objects.CheckKey(key); err != nil {
		return err
	}
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key)})
	if err != nil && (s.status(err) != http.StatusNotFound || isNoBucket(err)) {
		return s.wrap("delete", key, err)
	}
	return nil
}

// wrap says what was tried and, for what a user can mend, what to look at.
func (s *Store) wrap(verb, key string, err error) error {
	var api smithy.APIError
	hint := ""
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "NoSuchBucket":
			hint = fmt.Sprintf(" (bucket %q does not exist: create it or correct the lake's URL)", s.bucket)
		case "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "Forbidden":
			hint = " (check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do)"
		}
	}
	return fmt.Errorf("%s %q in bucket %q%s: %w", verb, key, s.bucket, hint, err)
}

func (s *Store) status(err error) int {
	var re *awshttp.ResponseError
	if errors.As(err, &re) {
		return re.HTTPStatusCode()
	}
	return 0
}

func isNoBucket(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "NoSuchBucket"
}

// isNoObject tells a missing object from the other things that servers answer 404 to, such as an
// access key that is gone: a reader must not take those for "no news".
func isNoObject(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return true
	}
	switch api.ErrorCode() {
	case "NoSuchKey", "NotFound", "":
		return true
	}
	return false
}

// clock returns the Date of the response.
func clock(m middleware.Metadata) time.Time {
	t, _ := awsmiddleware.GetServerTime(m)
	return t.UTC()
}
