package rows

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"shitpost-alpha/lake/event"
)

// Word is the newest word on something of which only that is kept: EventID is the event that it comes
// from, Superseded are all earlier ones, oldest first.
type Word struct {
	EventID    string   `db:"event_id"`
	Superseded []string `db:"superseded"`
}

// Bar is the current bar of a symbol, session, interval and source.
type Bar struct {
	Symbol          string     `db:"symbol"`
	SessionDate     event.Date `db:"session_date"`
	Interval        string     `db:"interval"`
	Open            float64    `db:"open"`
	High            float64    `db:"high"`
	Low             float64    `db:"low"`
	Close           float64    `db:"close"`
	Volume          *float64   `db:"volume"`
	AdjClose        *float64   `db:"adj_close"`
	Currency        string     `db:"currency"`
	Adjustment      string     `db:"adjustment"`
	AdjustedThrough event.Date `db:"adjusted_through"`
	SourceRank      int32      `db:"source_rank"`
	FetchID         string     `db:"fetch_id"`
	FetchedAt       time.Time  `db:"fetched_at"`
	FirstRecordedAt time.Time  `db:"first_recorded_at"`
	OccurredAt      time.Time  `db:"occurred_at"`
	Word
	Origin
}

// Split is the current word on a split of a symbol.
type Split struct {
	Symbol      string     `db:"symbol"`
	SessionDate event.Date `db:"session_date"`
	Ratio       float64    `db:"ratio"`
	Word
	Origin
}

// UnknownSymbol says that every price source answered that the symbol does not exist.
type UnknownSymbol struct {
	Symbol       string    `db:"symbol"`
	IsUnknown    bool      `db:"is_unknown"`
	AskedSources []string  `db:"asked_sources"`
	NoticedAt    time.Time `db:"noticed_at"`
	Word
	Origin
}

// Prices are the facts of stream prices.
type Prices struct {
	Bars    []Bar
	Splits  []Split
	Unknown []UnknownSymbol
}

// Add takes one more event: the fact as it states it.
func (p *Prices) Add(e *event.Price) {
	w := Word{EventID: e.EventID}
	switch e.Kind {
	case event.BarRecorded:
		p.Bars = append(p.Bars, Bar{Symbol: e.Symbol, SessionDate: e.SessionDate, Interval: e.Interval, Open: *e.Open, High: *e.High, Low: *e.Low,
			Close: *e.Close, Volume: e.Volume, AdjClose: e.AdjClose, Currency: e.Currency, Adjustment: string(e.Adjustment),
			AdjustedThrough: e.AdjustedThrough, SourceRank: e.SourceRank, FetchID: e.FetchID, FetchedAt: e.FetchedAt,
			FirstRecordedAt: e.RecordedAt, OccurredAt: e.OccurredAt, Word: w, Origin: originOf(&e.Envelope)})
	case event.SplitRecorded:
		p.Splits = append(p.Splits, Split{Symbol: e.Symbol, SessionDate: e.SessionDate, Ratio: e.Ratio, Word: w, Origin: originOf(&e.Envelope)})
	case event.SymbolUnknown:
		p.Unknown = append(p.Unknown, UnknownSymbol{Symbol: e.Symbol, IsUnknown: true, AskedSources: e.AskedSources, NoticedAt: e.OccurredAt,
			Word: w, Origin: originOf(&e.Envelope)})
	}
}

// DerivePrices returns the current bars, splits and unknown symbols that follow from the known ones and
// the news: known must hold the rows of every key that the news is about, and the unknown symbols of
// every symbol in it. news holds one row per event. An event that is already part of a known row changes
// nothing, so the news must come in commit order over several calls, as it does in a tail.
func DerivePrices(known, news Prices) Prices {
	var out Prices
	out.Bars = newestWords(known.Bars, news.Bars, compareBars,
		func(b *Bar) *Word { return &b.Word },
		func(b *Bar) *Origin { return &b.Origin },
		func(to, from *Bar) {
			if from.FirstRecordedAt.Before(to.FirstRecordedAt) {
				to.FirstRecordedAt = from.FirstRecordedAt
			}
		})
	out.Splits = newestWords(known.Splits, news.Splits, compareSplits,
		func(s *Split) *Word { return &s.Word }, func(s *Split) *Origin { return &s.Origin }, func(*Split, *Split) {})
	out.Unknown = newestWords(known.Unknown, news.Unknown, func(a, b *UnknownSymbol) int { return strings.Compare(a.Symbol, b.Symbol) },
		func(u *UnknownSymbol) *Word { return &u.Word }, func(u *UnknownSymbol) *Origin { return &u.Origin },
		func(*UnknownSymbol, *UnknownSymbol) {})

	// A bar or split that is newer than the marker says that the symbol exists after all.
	priced := map[string]time.Time{}
	note := func(symbol string, at time.Time) {
		if at.After(priced[symbol]) {
			priced[symbol] = at
		}
	}
	if len(out.Unknown) > 0 {
		for i := range out.Bars {
			note(out.Bars[i].Symbol, out.Bars[i].RecordedAt)
		}
		for i := range out.Splits {
			note(out.Splits[i].Symbol, out.Splits[i].RecordedAt)
		}
	}
	for i := range out.Unknown {
		u := &out.Unknown[i]
		u.IsUnknown = u.IsUnknown && !priced[u.Symbol].After(u.RecordedAt)
	}
	return out
}

func compareBars(a, b *Bar) int {
	return cmp.Or(strings.Compare(a.Symbol, b.Symbol), cmp.Compare(a.SessionDate, b.SessionDate),
		strings.Compare(a.Interval, b.Interval), strings.Compare(a.Source, b.Source))
}

func compareSplits(a, b *Split) int {
	return cmp.Or(strings.Compare(a.Symbol, b.Symbol), cmp.Compare(a.SessionDate, b.SessionDate))
}

// newestWords folds rows of one key (those that key compares as equal) into one: the newest word, with
// the events before it. An event counts once, with its first recording. carry takes over into the newer
// row what outlives the older.
func newestWords[T any](known, news []T, key func(a, b *T) int, word func(*T) *Word, origin func(*T) *Origin, carry func(to, from *T)) []T {
	all := make([]*T, 0, len(known)+len(news)) // pointers: the rows are large, and sorting moves them often
	for _, list := range [][]T{known, news} {
		for i := range list {
			all = append(all, &list[i])
		}
	}
	slices.SortStableFunc(all, func(a, b *T) int {
		return cmp.Or(key(a, b), origin(a).RecordedAt.Compare(origin(b).RecordedAt), strings.Compare(word(a).EventID, word(b).EventID))
	})
	out := make([]T, 0, len(all))
	for _, row := range all {
		if len(out) == 0 || key(&out[len(out)-1], row) != 0 {
			out = append(out, *row)
			continue
		}
		current := &out[len(out)-1]
		w := word(current)
		if id := word(row).EventID; id == w.EventID || slices.Contains(w.Superseded, id) {
			continue
		}
		next := *row
		word(&next).Superseded = append(slices.Clone(w.Superseded), w.EventID)
		carry(&next, current)
		*current = next
	}
	return out
}
