// Package objects is the least that the lake asks of a store: whole objects under string keys, and
// a Put that can be made conditional. Put with IfAbsent is the lake's commit; everything that can be
// said about concurrency and crashes rests on it being atomic.
//
// Folder keeps objects as files, Memory in memory (for tests), package s3 in a bucket. Package
// objectstest is the contract as a test suite.
package objects

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"strings"
	"time"
)

var (
	// ErrNotFound: there is no object under the key.
	ErrNotFound = errors.New("object not found")
	// ErrPrecondition: the condition of a Put did not hold, so nothing was written by this call. If
	// an earlier try of the same Put lost its reply, the object there may be the caller's own:
	// whoever must know reads it back.
	ErrPrecondition = errors.New("precondition failed")
)

// Store keeps objects. It is durable once Put returns, and safe for concurrent use.
type Store interface {
	// Get returns a whole object, or ErrNotFound.
	Get(ctx context.Context, key string) ([]byte, Info, error)
	// Put writes a whole object if cond holds, else returns ErrPrecondition. Readers see the old
	// object or the new one, never a part. After any other error the outcome is unknown: the object
	// may be there, or may yet appear.
	Put(ctx context.Context, key string, data []byte, cond Condition) (Info, error)
	// List yields the objects whose keys begin with prefix and sort after the key after, in order.
	// The Info holds no ETag where listing does not give one.
	List(ctx context.Context, prefix, after string) iter.Seq2[Info, error]
	// Delete removes an object; a missing one is no error.
	Delete(ctx context.Context, key string) error
}

// Info describes an object.
type Info struct {
	Key  string
	Size int64
	// ETag names the content for IfMatch; its form is the store's own.
	ETag     string
	Modified time.Time
	// Clock is the store's own time when it answered; zero where the store has no clock of its own.
	Clock time.Time
}

// Condition of a Put. The zero value is Always.
type Condition struct {
	absent bool
	etag   string
}

// Always writes whatever is there.
func Always() Condition { return Condition{} }

// IfAbsent writes only where no object is.
func IfAbsent() Condition { return Condition{absent: true} }

// IfMatch writes only over the object with this ETag.
func IfMatch(etag string) Condition { return Condition{etag: etag} }

// Absent reports whether c is IfAbsent; ETag returns what IfMatch asks for, or "".
func (c Condition) Absent() bool { return c.absent }

// ETag returns the ETag that IfMatch asks for, or "".
func (c Condition) ETag() string { return c.etag }

// CheckKey refuses keys that could leave the root or mean two things: empty, absolute, with empty,
// "." or ".." elements, backslashes or control characters.
func CheckKey(key string) error {
	if key == "" || path.Clean("/"+key) != "/"+key || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f }) {
		return fmt.Errorf("key %q is not a clean relative path", key)
	}
	return nil
}
