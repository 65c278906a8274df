package query

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// bar is a word on the bar of a symbol in January 2025.
func bar(symbol, source string, day int, close float64) event.Price {
	d := event.NewDate(2025, time.January, day)
	p := event.Price{Envelope: event.Envelope{Kind: event.BarRecorded, Key: symbol, Source: source, OccurredAt: d.Time().Add(21 * time.Hour)},
		Symbol: symbol, SessionDate: d, Interval: "1d", Open: &close, High: &close, Low: &close, Close: &close, Adjustment: event.AdjustedNone, AdjustedThrough: d, FetchID: "f"}
	event.Seal(&p, "")
	return p
}

// answer returns the rows of a statement as CSV, without the header.
func answer(t testing.TB, l *lake.Lake, statement string) []string {
	t.Helper()
	db, err := Open(t.Context(), l, Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var b bytes.Buffer
	if _, err := db.Write(t.Context(), &b, statement, Output{Format: "csv"}); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")[1:]
}

// TestCurrentBars: the view has of every bar the newest word, and when the first was recorded, as folding
// the events one by one says.
func TestCurrentBars(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := lake.New(&objects.Memory{}, "test", lake.Options{Producer: "test@1"})
		head := int64(-1)
		type fact struct {
			symbol, source string
			day            event.Date
		}
		type state struct {
			close float64
			first time.Time
		}
		want := map[fact]state{}
		for range rapid.IntRange(1, 4).Draw(rt, "appends") {
			var batch []event.Price
			for range rapid.IntRange(1, 12).Draw(rt, "bars") {
				batch = append(batch, bar(rapid.SampledFrom([]string{"A", "B", "SPY"}).Draw(rt, "symbol"), rapid.SampledFrom([]string{"yahoo", "file:x"}).Draw(rt, "source"),
					rapid.IntRange(1, 4).Draw(rt, "day"), float64(rapid.IntRange(1, 1000).Draw(rt, "close"))))
			}
			var err error
			if head, err = l.Prices.Append(t.Context(), head, batch); err != nil {
				rt.Fatal(err)
			}
			c, err := l.Prices.Read(t.Context(), head)
			if err != nil {
				rt.Fatal(err)
			}
			for _, e := range c.Events {
				f := fact{e.Symbol, e.Source, e.SessionDate}
				s, known := want[f]
				if !known {
					s.first = e.RecordedAt
				}
				s.close = *e.Close
				want[f] = s
			}
		}
		var lines []string
		for f, s := range want {
			lines = append(lines, fmt.Sprintf("%s,%s,%s,%v,%d", f.symbol, f.source, f.day, s.close, s.first.UnixMicro()))
		}
		slices.Sort(lines)
		got := answer(t, l, "SELECT symbol, source, session_date, close, epoch_us(first_recorded_at) FROM prices")
		slices.Sort(got)
		if !slices.Equal(got, lines) {
			rt.Fatalf("prices\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
		}
	})
}

// TestFilesOfSeveralSchemas: whichever files lack a column, the view has it.
func TestFilesOfSeveralSchemas(t *testing.T) {
	dir := t.TempDir()
	l := lake.New(objects.NewFolder(dir), "test", lake.Options{Producer: "test@1"})
	head := int64(-1)
	for day := 1; day <= 3; day++ {
		var err error
		if head, err = l.Prices.Append(t.Context(), head, []event.Price{bar("A", "yahoo", day, float64(day))}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "prices", "*.parquet"))
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	rand.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	for older := 0; older <= len(files); older++ {
		if older > 0 {
			withoutFetchID(t, files[older-1])
		}
		same, err := sameColumns(files)
		if err != nil || same != (older == 0 || older == len(files)) {
			t.Errorf("%d of 3 files are older: the same columns %t, %v", older, same, err)
		}
		if got := answer(t, l, "SELECT count(*), sum(close), count(fetch_id) FROM prices"); got[0] != fmt.Sprintf("3,6,%d", 3-older) {
			t.Errorf("%d of 3 files are older: %q", older, got)
		}
	}
	if err := os.WriteFile(files[0], []byte("PAR1 no more than this PAR1"), 0o644); err != nil {
		t.Fatal(err)
	}
	db, err := Open(t.Context(), l, Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Write(t.Context(), &bytes.Buffer{}, "SELECT count(*) FROM prices", Output{Format: "csv"}); err == nil || !strings.Contains(err.Error(), filepath.Base(files[0])) {
		t.Errorf("a damaged file is not named: %v", err)
	}
}

// withoutFetchID writes a file again as a program would have that did not know the column.
func withoutFetchID(t *testing.T, path string) {
	t.Helper()
	type older struct {
		event.Envelope
		event.Rejection
		event.Retraction
		Symbol      string     `parquet:"symbol,optional,dict"`
		SessionDate event.Date `parquet:"session_date,optional,date"`
		Interval    string     `parquet:"interval,optional,dict"`
		Close       *float64   `parquet:"close,optional"`
	}
	rows, err := parquet.ReadFile[older](path)
	if err != nil {
		t.Fatal(err)
	}
	if err := parquet.WriteFile(path, rows); err != nil {
		t.Fatal(err)
	}
}
