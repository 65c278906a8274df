package s3

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"shitpost-alpha/lake/objects"
)

// GetRange implements objects.Ranger.
func (s *Store) GetRange(ctx context.Context, key string, offset, length int64) ([]byte, error) {
	if err := objects.CheckKey(key); err != nil {
		return nil, err
	}
	if length <= 0 {
		return nil, nil
	}
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + key),
		Range: aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))})
	switch {
	case err != nil && s.status(err) == http.StatusRequestedRangeNotSatisfiable:
		return nil, nil // it ends before offset
	case err != nil && s.status(err) == http.StatusNotFound && !isNoBucket(err):
		return nil, fmt.Errorf("get %q: %w", key, objects.ErrNotFound)
	case err != nil:
		return nil, s.wrap("get", key, err)
	}
	defer out.Body.Close()
	data, err := io.ReadAll(io.LimitReader(out.Body, length))
	if err != nil {
		return nil, s.wrap("get", key, err)
	}
	return data, nil
}
