package lake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// Needs is what a service must be able to do in a lake.
type Needs struct {
	Read, Append []string // streams
	// Lease is the right to replace objects under If-Match.
	Lease bool
	// Delete is the right to delete objects, which nobody but maintenance needs.
	Delete bool
}

// NeedsOf returns what a service needs: harvester, analyzer, pricer, projector, maintain, or all of
// them together.
func NeedsOf(service string) (Needs, error) {
	switch service {
	case "all":
		return Needs{Read: Names(), Append: Names(), Lease: true, Delete: true}, nil
	case "harvester":
		return Needs{Read: []string{event.Posts}, Append: []string{event.Posts}}, nil
	case "analyzer":
		return Needs{Read: []string{event.Posts, event.Predictions}, Append: []string{event.Predictions}, Lease: true}, nil
	case "pricer":
		return Needs{Read: []string{event.Predictions, event.Prices}, Append: []string{event.Prices}}, nil
	case "projector":
		return Needs{Read: Names()}, nil
	case "maintain":
		return Needs{Read: Names(), Append: Names(), Delete: true}, nil
	}
	return Needs{}, fmt.Errorf("no service %q: there are harvester, analyzer, pricer, projector and maintain", service)
}

// Verdict is what the doctor thinks of one thing.
type Verdict string

// Fine needs nothing; missing must be granted or made; wrong must be mended; a note is worth knowing.
const (
	Fine    Verdict = "fine"
	Note    Verdict = "note"
	Missing Verdict = "missing"
	Wrong   Verdict = "wrong"
)

// Finding is the answer of one probe.
type Finding struct {
	// Place is a stream, or the folder of the leases.
	Place   string  `json:"place"`
	Probe   string  `json:"probe"`
	Verdict Verdict `json:"verdict"`
	Detail  string  `json:"detail"`
	// Remedy says what to do about it.
	Remedy string `json:"remedy,omitempty"`
}

// OK reports whether the finding stands in nobody's way.
func (f Finding) OK() bool { return f.Verdict == Fine || f.Verdict == Note }

// doctorFolder holds the objects of the probes, below each stream. Readers of the table pass over
// names that begin with an underscore.
const doctorFolder = "/_doctor/"

// Examine probes what a service with these needs will ask of the store, on objects of its own below
// <stream>/_doctor, and removes them again where it may delete. It changes no table.
func (l *Lake) Examine(ctx context.Context, needs Needs, found func(Finding)) error {
	streams := append(slices.Clone(needs.Read), needs.Append...)
	slices.Sort(streams)
	for _, name := range slices.Compact(streams) {
		d := l.doctor(name, found)
		if d.table(ctx) && slices.Contains(needs.Append, name) && d.writes(ctx) {
			d.sweep(ctx, needs.Delete)
		}
	}
	if d := l.doctor("_leases", found); needs.Lease && d.lease(ctx) {
		d.sweep(ctx, needs.Delete)
	}
	return ctx.Err()
}

func (l *Lake) doctor(place string, found func(Finding)) *doctor {
	return &doctor{store: l.store, now: l.Posts.opts.Now, place: place, folder: place + doctorFolder + newTxnID() + "-", found: found}
}

type doctor struct {
	store  objects.Store
	now    func() time.Time
	place  string // a stream, or the folder of the leases
	folder string // of this examination's objects
	found  func(Finding)
}

func (d *doctor) say(probe string, v Verdict, detail, remedy string) {
	d.found(Finding{d.place, probe, v, detail, remedy})
}

// failed reports a request that did not get through.
func (d *doctor) failed(probe string, err error, right string) {
	d.say(probe, Missing, err.Error(), remedyFor(err, right))
}

// remedyFor returns the way out of an error of a store, in one sentence.
func remedyFor(err error, right string) string {
	var api smithy.APIError
	var dial *net.OpError
	var name *net.DNSError
	var signing *v4.SigningError
	switch {
	case errors.As(err, &api):
		switch api.ErrorCode() {
		case "NoSuchBucket":
			return "create the bucket, or correct the lake's URL"
		case "InvalidAccessKeyId", "SignatureDoesNotMatch", "XAdminUserNotFound":
			return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a key pair that the store knows"
		case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
			return "set AWS_REGION to the region of the bucket"
		}
	case errors.As(err, &dial), errors.As(err, &name):
		return "the store is not reached: check AWS_ENDPOINT_URL_S3, AWS_REGION and the network"
	case errors.As(err, &signing), strings.Contains(err.Error(), "credentials"):
		return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return "let this user write to the folder, or name another one"
	case errors.Is(err, syscall.ENOSPC):
		return "the disk is full: make room"
	}
	return "grant " + right
}

// table reads the newest state, which takes the rights to list and to get, and reports whether an
// append could follow.
func (d *doctor) table(ctx context.Context) bool {
	const right = "s3:ListBucket on the lake's prefix and s3:GetObject on its objects"
	st, err := delta.NewTable(d.store, d.place).At(ctx, -1)
	switch {
	case errors.Is(err, delta.ErrProtocol):
		d.say("table", Wrong, err.Error(), "use a program that knows this protocol, or undo what raised it")
		return false
	case err != nil:
		d.failed("table", err, right)
		return false
	}
	if st.Version < 0 {
		if err := refuseForeign(ctx, d.store, d.place); err != nil {
			d.say("table", Wrong, err.Error(), "give the lake a folder or prefix of its own")
			return false
		}
		d.say("table", Fine, "not created yet: the first append makes it", "")
		return true
	}
	if err := recognise(d.place, st); err != nil {
		d.say("table", Wrong, err.Error(), "give the lake a folder or prefix of its own")
		return false
	}
	d.say("table", Fine, fmt.Sprintf("version %d, %d files", st.Version, len(st.Files)), "")
	return true
}

const racers = 8

// writes tries what an append asks of the store; false: nothing was written.
func (d *doctor) writes(ctx context.Context) bool {
	key := d.folder + "seen"
	body := []byte("written by lake doctor; may be deleted\n")
	var puts, gets []time.Duration
	var clock time.Time
	for range 5 {
		start := d.now()
		info, err := d.store.Put(ctx, key, body, objects.Always())
		if err != nil {
			d.failed("put", err, "s3:PutObject on "+d.place+"/*")
			return false
		}
		puts, clock = append(puts, d.now().Sub(start)), info.Clock
		start = d.now()
		got, _, err := d.store.Get(ctx, key)
		if err != nil || !bytes.Equal(got, body) {
			d.say("put", Wrong, fmt.Sprintf("what was put is not read back at once: %v", err), "use a store that is consistent after a write, as S3, R2, Tigris and versitygw are")
			return true
		}
		gets = append(gets, d.now().Sub(start))
	}
	slices.Sort(puts)
	slices.Sort(gets)
	d.say("put", Fine, "what is put is read back at once", "")
	d.say("latency", Fine, fmt.Sprintf("p50 put %s, get %s: an append takes about %s", round(puts[2]), round(gets[2]), round(2*puts[2])), "")
	d.clock(clock)
	d.listed(ctx, key)
	d.race(ctx, "if-none-match", "a commit rests on If-None-Match: two writers would overwrite each other without it", objects.IfAbsent())
	return true
}

func round(x time.Duration) time.Duration {
	if x < time.Millisecond {
		return x.Round(10 * time.Microsecond)
	}
	return x.Round(100 * time.Microsecond)
}

func (d *doctor) clock(store time.Time) {
	if store.IsZero() {
		d.say("clock", Fine, "the store has no clock of its own", "")
		return
	}
	skew := d.now().Sub(store).Round(time.Second)
	if skew.Abs() > MaxClockSkew {
		d.say("clock", Wrong, fmt.Sprintf("this machine is %s off the store: appends are refused", skew), "set this machine's clock (NTP)")
		return
	}
	d.say("clock", Fine, fmt.Sprintf("%s off the store, %s is allowed", skew, MaxClockSkew), "")
}

func (d *doctor) listed(ctx context.Context, key string) {
	for info, err := range d.store.List(ctx, d.folder, "") {
		if err != nil {
			d.failed("list", err, "s3:ListBucket on the lake's prefix")
			return
		}
		if info.Key == key {
			d.say("list", Fine, "what is put is listed at once", "")
			return
		}
	}
	d.say("list", Wrong, "what was put is not listed at once", "use a store whose listings are consistent")
}

// race lets several put one key under the condition at once: exactly one may win, and its body must
// be what stands there.
func (d *doctor) race(ctx context.Context, probe, why string, cond objects.Condition) {
	const remedy = "use a store that decides conditional puts atomically: S3, R2, Tigris, versitygw, a folder"
	key := d.folder + probe
	if cond.ETag() != "" {
		key = d.folder + "lease"
	}
	var wg sync.WaitGroup
	errs := make([]error, racers)
	start := make(chan struct{})
	for i := range racers {
		wg.Go(func() {
			<-start
			_, errs[i] = d.store.Put(ctx, key, fmt.Appendf(nil, "writer %d", i), cond)
		})
	}
	close(start)
	wg.Wait()
	var winners []int
	for i, err := range errs {
		if err == nil {
			winners = append(winners, i)
		} else if !errors.Is(err, objects.ErrPrecondition) {
			d.failed(probe, err, "s3:PutObject on "+d.place+"/*, conditional requests included")
			return
		}
	}
	body, _, err := d.store.Get(ctx, key)
	switch {
	case err != nil:
		d.failed(probe, err, "s3:GetObject on "+d.place+"/*")
	case len(winners) != 1:
		d.say(probe, Wrong, fmt.Sprintf("%d of %d writers of one key were told that they won: %s", len(winners), racers, why), remedy)
	case string(body) != fmt.Sprintf("writer %d", winners[0]):
		d.say(probe, Wrong, fmt.Sprintf("writer %d was told that it won, and %q stands there: %s", winners[0], body, why), remedy)
	default:
		d.say(probe, Fine, fmt.Sprintf("%d writers of one key: exactly one won", racers), "")
	}
}

func (d *doctor) lease(ctx context.Context) bool {
	info, err := d.store.Put(ctx, d.folder+"lease", []byte("start"), objects.IfAbsent())
	if err != nil {
		d.failed("if-match", err, "s3:PutObject on "+d.place+"/*")
		return false
	}
	d.race(ctx, "if-match", "the lease on paid work rests on If-Match: it could be paid for twice", objects.IfMatch(info.ETag))
	return true
}

// sweep removes what the probes of this and earlier examinations left, if that is allowed.
func (d *doctor) sweep(ctx context.Context, needed bool) {
	folder, left := d.folder, 0
	if needed {
		folder = d.place + doctorFolder // what those left who may not delete
	}
	for info, err := range d.store.List(ctx, folder, "") {
		if err == nil {
			err = d.store.Delete(ctx, info.Key)
		}
		if err != nil && needed {
			d.failed("delete", err, "s3:DeleteObject on the lake's prefix")
			return
		}
		if err != nil {
			left++
		}
	}
	switch {
	case left > 0:
		d.say("delete", Fine, fmt.Sprintf("refused, as it should be for this service; %d small objects are left in %s", left, d.place+doctorFolder),
			"lake doctor --service maintain removes them")
	case needed:
		d.say("delete", Fine, "allowed, as maintenance needs", "")
	default:
		d.say("delete", Note, "allowed, though this service never deletes", "take s3:DeleteObject from it: docs/policies")
	}
}

// ErrNotLake: what is there is something else, which must be neither read as events nor written to.
var ErrNotLake = errors.New("not a lake")

// ours lists columns that every file and every table of a lake has: by them a foreign one is told.
func ours() []string {
	return []string{"event_id", "kind", "key", "occurred_at", "recorded_at", "batch_id"}
}

// recognise refuses a Delta table that is none of ours: one that lacks a column by which events are
// told apart. Columns that it has besides are a later version's.
func recognise(name string, st *delta.State) error {
	if st.Version < 0 {
		return nil
	}
	var schema struct {
		Fields []struct {
			Name string `json:"name"`
		} `json:"fields"`
	}
	if err := json.Unmarshal([]byte(st.MetaData.SchemaString), &schema); err != nil {
		return fmt.Errorf("%w: the schema of table %s cannot be read: %w", ErrNotLake, name, err)
	}
	have := map[string]bool{}
	for _, f := range schema.Fields {
		have[f.Name] = true
	}
	for _, column := range ours() {
		if !have[column] {
			return fmt.Errorf("%w: %s is a Delta table without the column %q, of another program: give the lake a folder or prefix of its own", ErrNotLake, name, column)
		}
	}
	return nil
}

// refuseForeign refuses to make a table where other files are: maintenance would take them for
// orphans and sweep them. Names that begin with an underscore or a dot are no data to Delta.
func refuseForeign(ctx context.Context, store objects.Store, name string) error {
	for info, err := range store.List(ctx, name+"/", "") {
		if err != nil {
			return err
		}
		file := strings.TrimPrefix(info.Key, name+"/")
		if strings.HasPrefix(file, "_") || strings.HasPrefix(file, ".") {
			continue
		}
		// Somebody may just have made the table and appended to it.
		if _, _, err := store.Get(ctx, delta.CommitKey(name, 0)); errors.Is(err, objects.ErrNotFound) {
			return fmt.Errorf("%w: %s/ holds other files (%s) and no Delta log: give the lake a folder or prefix of its own", ErrNotLake, name, file)
		} else {
			return err
		}
	}
	return nil
}
