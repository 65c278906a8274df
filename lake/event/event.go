// Package event is the closed set of facts that the lake keeps; nothing else is ever written.
//
// There are three streams, each one table, and one struct per table: Post, Prediction and Price.
// The struct is the row: its exported fields with their parquet tags are the columns, its Kind
// says which fact it states, and Check says which columns that kind needs. All three begin with
// the same Envelope. Columns are only ever added; a new meaning is a new kind.
//
// An event is made in two steps. A producer fills in a draft (kind, key, source, its columns).
// Seal then gives it its identity: the content hash over what the fact says, and the event id over
// kind, source, key, content and the event that it supersedes. The same fact found twice has the
// same id; a change back to an earlier content is a fact of its own. The lake adds RecordedAt and
// BatchID when it commits.
//
// The package imports the standard library only.
package event

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// SchemaVersion is the version of the columns that this code writes.
const SchemaVersion = 1

// Stream names: one Delta table each.
const (
	Posts       = "posts"
	Predictions = "predictions"
	Prices      = "prices"
)

// Kind names what an event states.
type Kind string

// The kinds of stream posts.
const (
	PostObserved Kind = "post_observed" // a content version of a post, as one source shows it
	PostDeleted  Kind = "post_deleted"  // a live source no longer shows the post
	PostRedacted Kind = "post_redacted" // taken down: every projection blanks the post at once
	WindowRead   Kind = "window_read"   // a source was read from..to; complete or not, with the ids missing from it
)

// The kinds of stream predictions.
const (
	PredictionMade   Kind = "prediction_made"
	PostBypassed     Kind = "post_bypassed"
	AnalysisFailed   Kind = "analysis_failed"
	AnalysisRequeued Kind = "analysis_requeued" // cancels the failures it names
)

// The kinds of stream prices.
const (
	BarRecorded   Kind = "bar_recorded"
	SplitRecorded Kind = "split_recorded"
	SymbolUnknown Kind = "symbol_unknown" // every source asked says that the symbol does not exist
)

// The kinds of all three streams.
const (
	RecordRejected Kind = "record_rejected" // input that could not be taken, kept with its reason
	Retracted      Kind = "retracted"       // names events or a batch of the same stream that count as never written
)

// Envelope holds the columns that every event has, whatever its stream.
type Envelope struct {
	// EventID is the identity of the fact, 32 hex digits; see Seal.
	EventID string `parquet:"event_id,plain"`
	Kind    Kind   `parquet:"kind,dict"`
	// Key is what the fact is about: post id, prediction id or symbol.
	Key string `parquet:"key"`
	// OccurredAt is when the fact happened, UTC: a post's publication, a bar's close, the arrival
	// of an answer; for the rest when it was noticed.
	OccurredAt time.Time `parquet:"occurred_at,timestamp(microsecond)"`
	// RecordedAt is when the lake committed it, UTC, strictly growing along the stream. Set by Append.
	RecordedAt time.Time `parquet:"recorded_at,timestamp(microsecond)"`
	// Producer is who wrote it, as name@version. Set by Append.
	Producer string `parquet:"producer,dict"`
	// Source is where the fact was found: archive:<file>, simulator, file:<file>, rules, …
	Source string `parquet:"source,dict"`
	// CausationID is the event that led to this one, if any.
	CausationID string `parquet:"causation_id,optional"`
	// Supersedes is the event that this one replaces for the same subject, if any.
	Supersedes string `parquet:"supersedes,optional"`
	// ContentHash is 32 hex digits over what the fact says, without who, when and how often.
	ContentHash string `parquet:"content_hash,plain"`
	// BatchID is the txnId of the commit. Set by Append.
	BatchID       string `parquet:"batch_id,dict"`
	SchemaVersion int32  `parquet:"schema_version"`
	// Synthetic marks what the simulators made up.
	Synthetic bool `parquet:"synthetic"`

	// Payload is the source document as received, where there is one; at most MaxPayload bytes.
	Payload string `parquet:"payload,optional"`
	// PayloadEncoding is utf8, or base64 when the document is not valid UTF-8.
	PayloadEncoding string `parquet:"payload_encoding,optional,dict"`
	// PayloadSHA256 is over the whole document, in hex.
	PayloadSHA256 string `parquet:"payload_sha256,optional"`
	// PayloadSize is the length of the whole document in bytes; PayloadCut says that Payload holds
	// only its first MaxPayload bytes.
	PayloadSize int64 `parquet:"payload_size,optional"`
	PayloadCut  bool  `parquet:"payload_cut"`
}

// Rejection says what could not be taken and why; it is filled on record_rejected.
type Rejection struct {
	// RejectedReason is a short class, such as "other account" or "bad number".
	RejectedReason string `parquet:"rejected_reason,optional"`
	// RejectedDetail is the whole sentence, naming file and row where there are such.
	RejectedDetail string `parquet:"rejected_detail,optional"`
}

// Retraction names what counts as never written; it is filled on retracted.
type Retraction struct {
	RetractedEvents []string `parquet:"retracted_events,list"`
	RetractedBatch  string   `parquet:"retracted_batch,optional"`
}

// MaxPayload is how many bytes of a source document an event keeps.
const MaxPayload = 1 << 20

// SetPayload keeps the source document byte for byte, up to MaxPayload bytes.
func (v *Envelope) SetPayload(doc []byte) {
	sum := sha256.Sum256(doc)
	v.PayloadSHA256 = hex.EncodeToString(sum[:])
	v.PayloadSize = int64(len(doc))
	v.PayloadCut = len(doc) > MaxPayload
	if v.PayloadCut {
		doc = doc[:MaxPayload]
		// A cut through a multi-byte character would make valid UTF-8 look invalid.
		for i := 0; i < utf8.UTFMax && len(doc) > 0 && !utf8.Valid(doc[max(0, len(doc)-utf8.UTFMax):]); i++ {
			doc = doc[:len(doc)-1]
		}
	}
	if utf8.Valid(doc) {
		v.PayloadEncoding, v.Payload = "utf8", string(doc)
		return
	}
	v.PayloadEncoding, v.Payload = "base64", base64.StdEncoding.EncodeToString(doc)
}

// PayloadBytes returns the kept document as it was received.
func (v *Envelope) PayloadBytes() ([]byte, error) {
	if v.PayloadEncoding != "base64" {
		return []byte(v.Payload), nil
	}
	doc, err := base64.StdEncoding.DecodeString(v.Payload)
	if err != nil {
		return nil, fmt.Errorf("decode payload of event %s: %w", v.EventID, err)
	}
	return doc, nil
}

// After reports whether v is newer than w. "Newest wins" means the greatest (RecordedAt, EventID)
// everywhere, so that the winner does not depend on the order in which events are read.
func (v *Envelope) After(w *Envelope) bool {
	if !v.RecordedAt.Equal(w.RecordedAt) {
		return v.RecordedAt.After(w.RecordedAt)
	}
	return v.EventID > w.EventID
}

// Event is a row of one of the three tables.
type Event interface{ Post | Prediction | Price }

// fact is what Seal and the lake need of an event.
type fact interface {
	envelope() *Envelope
	subject() string
	content() []string
	check() error
}

func factOf[E Event](e *E) fact { return any(e).(fact) }

// EnvelopeOf returns the envelope of e, to read and to fill in.
func EnvelopeOf[E Event](e *E) *Envelope { return factOf(e).envelope() }

// StreamOf returns the name of the stream that E belongs to.
func StreamOf[E Event]() string {
	switch any((*E)(nil)).(type) {
	case *Post:
		return Posts
	case *Prediction:
		return Predictions
	default:
		return Prices
	}
}

// SubjectOf returns what e is the newest word about. Of two events with one subject the later
// supersedes the earlier: a post as one source shows it, a bar of one symbol, session and source.
func SubjectOf[E Event](e *E) string { return factOf(e).subject() }

// RejectionOf and RetractionOf return the columns that all streams share.
func RejectionOf[E Event](e *E) *Rejection {
	switch v := any(e).(type) {
	case *Post:
		return &v.Rejection
	case *Prediction:
		return &v.Rejection
	case *Price:
		return &v.Rejection
	}
	panic("unreachable: Event is closed")
}

// RetractionOf returns what a retracted event names.
func RetractionOf[E Event](e *E) *Retraction {
	switch v := any(e).(type) {
	case *Post:
		return &v.Retraction
	case *Prediction:
		return &v.Retraction
	case *Price:
		return &v.Retraction
	}
	panic("unreachable: Event is closed")
}

// Seal gives a draft its identity: ContentHash, Supersedes and EventID. supersedes is the event id
// of the newest event of the same subject that the producer knows, or empty.
func Seal[E Event](e *E, supersedes string) {
	f := factOf(e)
	v := f.envelope()
	v.SchemaVersion = SchemaVersion
	v.ContentHash = Hash(f.content()...)
	v.Supersedes = supersedes
	v.EventID = Hash(string(v.Kind), v.Source, f.subject(), v.ContentHash, supersedes)
	v.OccurredAt = v.OccurredAt.UTC().Truncate(time.Microsecond)
}

// ContentHashOf returns the hash that Seal would give e.
func ContentHashOf[E Event](e *E) string { return Hash(factOf(e).content()...) }

// ErrInvalid is the cause of every refusal by Check.
var ErrInvalid = errors.New("invalid event")

// Check refuses an event that lacks what its kind needs or holds an impossible value. Its errors
// wrap ErrInvalid and name the event's kind and key.
func Check[E Event](e *E) error {
	f := factOf(e)
	v := f.envelope()
	if err := f.check(); err != nil {
		return fmt.Errorf("%w: %s %q: %w", ErrInvalid, v.Kind, v.Key, err)
	}
	if v.EventID == "" || v.Key == "" || v.Source == "" || v.OccurredAt.IsZero() {
		return fmt.Errorf("%w: %s %q: event_id, key, source and occurred_at must be set", ErrInvalid, v.Kind, v.Key)
	}
	return nil
}

// Hash returns 32 hex digits over the parts: the first 16 bytes of SHA-256 over each part's
// length and bytes, so that no two lists of parts run together.
func Hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:", len(p))
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// shared answers for the kinds that all streams have; ok is false for every other kind.
func shared(v *Envelope, r *Rejection, t *Retraction) (subject string, content []string, err error, ok bool) {
	switch v.Kind {
	case RecordRejected:
		if r.RejectedReason == "" {
			err = errors.New("rejected_reason must be set")
		}
		return "rejected " + v.Source + " " + v.Key, []string{r.RejectedReason, r.RejectedDetail, v.PayloadSHA256}, err, true
	case Retracted:
		if len(t.RetractedEvents) == 0 && t.RetractedBatch == "" {
			err = errors.New("retracted_events or retracted_batch must be set")
		}
		return "retracted " + v.Key, []string{strings.Join(t.RetractedEvents, " "), t.RetractedBatch}, err, true
	}
	return "", nil, nil, false
}
