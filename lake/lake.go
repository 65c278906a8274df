// Package lake keeps every event for ever, in open Delta tables on an object store. It is the only
// truth of the system: whatever else there is can be computed from it again.
//
// A Lake has three streams (posts, predictions, prices). A Stream is one Delta table: Append adds
// one version to it, Read and Wait follow it version by version, Snapshot gives all of it at one
// version. Versions have no gaps, so "everything after the last version I saw" skips nothing.
//
// Those who write use a Recorder, which appends only what is not known yet; those who read use a
// Follower, which folds the stream into a View. Start with Open.
package lake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
	"shitpost-alpha/lake/objects/s3"
)

var (
	// ErrConflict: somebody else committed the expected version first. Look again, decide again.
	ErrConflict = delta.ErrConflict
	// ErrNoVersion: the version is not there yet.
	ErrNoVersion = delta.ErrNoVersion
	// ErrClock: this machine's clock cannot be trusted to order what it would write.
	ErrClock = errors.New("clock refused")
	// ErrStore: the store does not do what a lake needs.
	ErrStore = errors.New("store refused")
	// ErrDamaged: a file of the lake is missing or is not what was written.
	ErrDamaged = errors.New("lake damaged")
	// ErrRetired: a file that a version needs was replaced long ago and is gone. Its events are in the
	// newest snapshot: read that and go on behind it, which is harmless to whoever bears duplicates.
	ErrRetired = errors.New("file retired and gone: go on from the newest snapshot")
	// ErrTakenBack: another program removed events, by a RESTORE for instance, which an append-only table
	// does not keep it from. What is there now is the newest snapshot; what a reader made of the rest
	// must be made again from it.
	ErrTakenBack = errors.New("events that were there were removed by another program: begin again with the newest snapshot (a read model: rebuild it)")
	// ErrReadOnly: the lake was opened to be read.
	ErrReadOnly = errors.New("lake opened read-only")
)

// Options of a lake. The zero value is good for reading.
type Options struct {
	// Producer is written into every event, as name@version.
	Producer string
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Poll is how often Wait asks for the next version when another process may write it; 10 s
	// when zero. An append in this process wakes at once.
	Poll time.Duration
	Log  *slog.Logger
	// CacheDir is a folder for the data files of a remote store, which never change: they are read
	// from there once they were fetched. Several processes may share it. None when empty.
	CacheDir string
	// CacheBytes is how large the folder may grow; DefaultCacheBytes when zero. What was not used for
	// longest goes first.
	CacheBytes int64
	// ReadOnly refuses appends.
	ReadOnly bool
}

func (o *Options) setDefaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Poll <= 0 {
		o.Poll = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if o.Producer == "" {
		o.Producer = "unnamed@0"
	}
}

// Lake is the three streams on one store. It is safe for concurrent use.
type Lake struct {
	// URL is file:///… or s3://bucket/prefix, and opens the same lake from anywhere it is valid.
	URL         string
	Posts       *Stream[event.Post]
	Predictions *Stream[event.Prediction]
	Prices      *Stream[event.Price]

	store objects.Store
}

// Open opens the lake at a URL: s3://bucket/prefix, file:///folder, or the path of a folder. It makes
// no request: a lake that does not exist yet is an empty one, and the first Append makes it.
func Open(ctx context.Context, rawURL string, o Options) (*Lake, error) {
	store, canonical, err := OpenStore(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	return New(store, canonical, o), nil
}

// OpenStore returns the object store at a URL, and the URL in full.
func OpenStore(ctx context.Context, rawURL string) (store objects.Store, canonical string, err error) {
	if rawURL == "" {
		return nil, "", errors.New("open lake: no URL given: set --lake or LAKE_URL to a folder or to s3://bucket/prefix")
	}
	if bucket, ok := strings.CutPrefix(rawURL, "s3://"); ok {
		bucket, prefix, _ := strings.Cut(bucket, "/")
		if bucket == "" {
			return nil, "", fmt.Errorf("open lake %q: no bucket: want s3://bucket/prefix", rawURL)
		}
		store, err := s3.Open(ctx, bucket, prefix)
		if err != nil {
			return nil, "", fmt.Errorf("open lake %q: %w", rawURL, err)
		}
		return store, strings.TrimRight(rawURL, "/"), nil
	}
	folder := rawURL
	if strings.Contains(rawURL, "://") {
		u, err := url.Parse(rawURL)
		if err != nil || u.Scheme != "file" || u.Host != "" || u.Path == "" {
			return nil, "", fmt.Errorf("open lake %q: want file:///folder, s3://bucket/prefix or the path of a folder", rawURL)
		}
		folder = u.Path
	}
	folder, err = filepath.Abs(folder)
	if err != nil {
		return nil, "", fmt.Errorf("open lake %q: %w", rawURL, err)
	}
	return objects.NewFolder(folder), (&url.URL{Scheme: "file", Path: filepath.ToSlash(folder)}).String(), nil
}

// New returns the lake on a store. canonical is its URL, for messages.
func New(store objects.Store, canonical string, o Options) *Lake {
	o.setDefaults()
	l := &Lake{
		URL:         canonical,
		Posts:       newStream[event.Post](store, o),
		Predictions: newStream[event.Prediction](store, o),
		Prices:      newStream[event.Price](store, o),
		store:       store,
	}
	cache := newCache(o)
	l.Posts.cache, l.Predictions.cache, l.Prices.cache = cache, cache, cache
	return l
}

// As returns the same lake for another producer of this process. What one appends wakes the others
// at once.
func (l *Lake) As(producer string) *Lake {
	return &Lake{
		URL:         l.URL,
		Posts:       &Stream[event.Post]{l.Posts.shared, producer},
		Predictions: &Stream[event.Prediction]{l.Predictions.shared, producer},
		Prices:      &Stream[event.Price]{l.Prices.shared, producer},
		store:       l.store,
	}
}

// Names returns the names of the streams.
func Names() []string { return []string{event.Posts, event.Predictions, event.Prices} }

// Table is what the three streams have in common whatever their events.
type Table interface {
	Name() string
	Head(ctx context.Context) (int64, error)
	Stat(ctx context.Context, version int64) (Stat, error)
	Verify(ctx context.Context, progress func(done, total int)) (Verification, error)
}

// Tables returns the streams in the order of Names.
func (l *Lake) Tables() []Table { return []Table{l.Posts, l.Predictions, l.Prices} }
