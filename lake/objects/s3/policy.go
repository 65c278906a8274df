package s3

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// SetPolicy makes policy, a JSON document, the bucket's policy in place of the one before. Where
// create is set it makes the bucket first if it is not there.
func (s *Store) SetPolicy(ctx context.Context, policy string, create bool) error {
	if create {
		_, err := s.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &s.bucket})
		var owned *types.BucketAlreadyOwnedByYou
		var there *types.BucketAlreadyExists
		if err != nil && !errors.As(err, &owned) && !errors.As(err, &there) {
			return fmt.Errorf("create bucket %s: %w", s.bucket, err)
		}
	}
	if _, err := s.client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &s.bucket, Policy: &policy}); err != nil {
		return fmt.Errorf("set policy of bucket %s: %w", s.bucket, err)
	}
	return nil
}
