package prices

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/market"
	"shitpost-alpha/producers"
)

// errNoBars is an answer that holds none of the bars asked for.
var errNoBars = errors.New("no bars")

// due says whether some source is to be asked about the symbol.
func (p *Pricer) due(symbol string, need Need, now time.Time) bool {
	if p.known.isUnknown(symbol, p.origins, now) {
		return false
	}
	for _, s := range p.Sources {
		if len(p.gaps(s, symbol, need, now)) > 0 {
			return true
		}
		if p.suffices(s, symbol, need, nil, now) {
			return false
		}
	}
	return false
}

// gaps returns what to ask the source for. A local one: what was not asked yet. Another: the sessions
// of which the lake has no bar of it, that were not given up, and not asked for lately. After a split
// that its bars do not include: everything.
func (p *Pricer) gaps(s Source, symbol string, need Need, now time.Time) []Interval {
	m := p.asked[question{s.Name(), symbol}]
	if m.unknown && now.Sub(m.at) >= AskAgain {
		m = answer{}
	}
	if p.stale(s, symbol, now) > m.split {
		return need.Intervals
	}
	if s.Local() {
		return subtract(need.Intervals, m.intervals)
	}
	done := p.known.without(symbol, s.Origins(), now)
	if _, closes := p.Calendar.Bar(symbol, need.Intervals[len(need.Intervals)-1].To); now.Sub(m.at) < max(AskPause, now.Sub(closes)/4) {
		done = append(done, m.intervals...)
	}
	var out []Interval
	for _, in := range p.missing(subtract(need.Intervals, done), p.known.has(symbol, s.Origins())) {
		if n := len(out); n > 0 && in.From-out[n-1].To <= oneQuestion {
			out[n-1].To = in.To
			continue
		}
		out = append(out, in)
	}
	return out
}

// missing returns the runs of sessions in the intervals that are not there.
func (p *Pricer) missing(in []Interval, has func(event.Date) bool) []Interval {
	var out []Interval
	for _, i := range in {
		open := false
		sessions := p.Calendar.Sessions()
		first, _ := slices.BinarySearchFunc(sessions, i.From, func(s market.Session, d event.Date) int { return int(s.Date - d) })
		for _, s := range sessions[first:] {
			if s.Date > i.To {
				break
			}
			switch {
			case has(s.Date):
				open = false
			case open:
				out[len(out)-1].To = s.Date
			default:
				out, open = append(out, Interval{s.Date, s.Date}), true
			}
		}
	}
	return out
}

func (p *Pricer) stale(s Source, symbol string, now time.Time) event.Date {
	last, _ := p.Calendar.LastFinal(symbol, now)
	return p.known.staleSplit(symbol, s.Origins(), last, now.Add(-GiveUp))
}

// suffices says whether no further source is to be asked: this one has, in the lake or in these
// drafts, the newest session of every interval needed; or it has the symbol, and the session is so new
// that it may only be late.
func (p *Pricer) suffices(s Source, symbol string, need Need, drafts []event.Price, now time.Time) bool {
	settled, _ := p.Calendar.LastFinal(symbol, now.Add(-FallbackAfter))
	recorded := p.known.has(symbol, s.Origins())
	_, has := p.known.reach(symbol, s.Origins())
	has = has || slices.ContainsFunc(drafts, func(e event.Price) bool { return e.Kind == event.BarRecorded })
	for _, in := range need.Intervals {
		drafted := slices.ContainsFunc(drafts, func(e event.Price) bool {
			return e.Kind == event.BarRecorded && e.SessionDate == in.To
		})
		late := !s.Local() && has && in.To > settled
		if !drafted && !late && !recorded(in.To) {
			return false
		}
	}
	return true
}

// ask puts the symbol to the sources until one suffices. Only the end of ctx is an error.
func (p *Pricer) ask(ctx context.Context, r *round, symbol string, need Need) error {
	unknown, served := true, false
	var failed error
	var gone []event.Price
	for _, s := range p.Sources {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("price %s: %w", symbol, err)
		}
		q := question{s.Name(), symbol}
		var drafts []event.Price
		gaps := p.gaps(s, symbol, need, r.now)
		switch {
		case len(gaps) == 0:
			unknown = unknown && p.asked[q].unknown
		case r.now.Before(p.down[s.Name()].until):
			unknown, failed = false, cmpErr(failed, fmt.Errorf("%w: %s is left alone until %s", ErrUnavailable, s.Name(), p.down[s.Name()].until.UTC().Format(time.RFC3339)))
			continue
		case r.now.Before(p.asked[q].until):
			unknown = false // it failed lately, and was reported
			continue
		default:
			got, m, err := p.fetch(ctx, r, s, symbol, need, gaps)
			if ctx.Err() != nil {
				return fmt.Errorf("price %s: %w", symbol, ctx.Err())
			}
			if err != nil {
				unknown, failed = false, cmpErr(failed, p.fail(r, s, symbol, err))
				continue
			}
			delete(p.down, s.Name())
			drafts, r.answers[q] = got, m
			unknown = unknown && m.unknown
			if none := p.gone(s, symbol, need, gaps, drafts, r.now); len(none) > 0 && p.control(ctx, r, s, errNoBars) == nil {
				gone = append(gone, none...)
			}
		}
		r.pending = append(r.pending, drafts...)
		if served = p.suffices(s, symbol, need, drafts, r.now); served {
			break
		}
	}
	if failed != nil && !served {
		p.report.Failed++
		r.err = cmpErr(r.err, failed)
	}
	priced := p.known.priced[symbol] || served || slices.ContainsFunc(r.pending, func(e event.Price) bool { return e.Kind == event.BarRecorded && e.Symbol == symbol })
	if priced {
		r.pending = append(r.pending, gone...)
	} else if unknown && len(p.origins) > 0 {
		r.pending = append(r.pending, p.unknownDraft(symbol, need, r.now))
	}
	return nil
}

// cmpErr returns the first error, or the second where there is none.
func cmpErr(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

func (p *Pricer) unknownDraft(symbol string, need Need, now time.Time) event.Price {
	e := event.Price{Symbol: symbol, AskedSources: p.origins}
	e.Kind, e.Key, e.Source, e.OccurredAt = event.SymbolUnknown, symbol, "pricer", now
	e.CausationID, e.Synthetic = need.CausedBy, slices.Equal(p.origins, []string{Simulator})
	return e
}

// fail notes that a source could not be asked and returns the error in full.
func (p *Pricer) fail(r *round, s Source, symbol string, err error) error {
	p.Log.Warn("ask source failed", "producer", "pricer", "source", s.Name(), "symbol", symbol, "class", producers.ClassOf(err), "error", err)
	p.Metrics.Failed(producers.ClassOf(err))
	p.report.Failures++
	wait := producers.RetryAfter(err)
	if errors.Is(err, ErrUnavailable) {
		p.down[s.Name()] = p.down[s.Name()].next(r.now, wait)
	} else {
		q := question{s.Name(), symbol}
		m := p.asked[q]
		m.failures = m.next(r.now, wait)
		p.asked[q] = m
	}
	return fmt.Errorf("ask %s for %s: %w", s.Name(), symbol, err)
}

// fetch asks for the gaps, and a little more: overlap days before the newest bar that the lake has, so
// that corrections are seen; of dividend-adjusted bars all that must be comparable with the gap.
//
// If the answer tells of a split that the lake does not know, or its overlap is far from what the lake
// has, then the older bars of the source are on another basis: everything needed is asked for again, at
// once, so that split and bars are recorded together.
func (p *Pricer) fetch(ctx context.Context, r *round, s Source, symbol string, need Need, gaps []Interval) ([]event.Price, answer, error) {
	m := p.asked[question{s.Name(), symbol}]
	m.at, m.intervals, m.split, m.failures = r.now, union(append(slices.Clone(gaps), m.intervals...)), max(m.split, p.stale(s, symbol, r.now)), failures{}
	reach, priced := p.known.reach(symbol, s.Origins())
	if !s.Local() && priced {
		gaps = p.widen(s, symbol, need, reach, gaps)
	}
	drafts, unknown, err := p.askAll(ctx, r, s, symbol, gaps)
	if err != nil {
		return nil, m, err
	}
	m.unknown = unknown
	split := p.newSplit(symbol, drafts)
	if priced && (split > m.split && reach.From < split || !s.Local() && p.known.differs(drafts)) {
		m.split = max(m.split, split)
		if !slices.Equal(gaps, need.Intervals) {
			if drafts, _, err = p.askAll(ctx, r, s, symbol, need.Intervals); err != nil {
				return nil, m, err
			}
		}
	}
	for i := range drafts {
		e := &drafts[i]
		e.CausationID = need.CausedBy
		if e.Kind == event.BarRecorded && e.Currency != "USD" {
			p.once("currency "+symbol, func() {
				p.Log.Info("prices are not in USD: returns are those of the foreign price", "producer", "pricer", "source", s.Name(), "symbol", symbol, "currency", e.Currency)
			})
		}
	}
	return drafts, m, nil
}

// widen returns the gaps with what is asked for besides.
func (p *Pricer) widen(s Source, symbol string, need Need, reach Interval, gaps []Interval) []Interval {
	gaps = slices.Clone(gaps)
	dividend := p.known.dividend(symbol, s.Origins())
	for i, in := range gaps {
		if dividend {
			gaps[i] = reaching(in, need.Spans)
		} else if in.From > reach.From && in.To > reach.To {
			gaps[i].From = max(reach.From, min(in.From, reach.To+1-overlap))
		}
	}
	return gaps
}

// newSplit returns the newest split among the drafts that the lake does not know, or none.
func (p *Pricer) newSplit(symbol string, drafts []event.Price) event.Date {
	var newest event.Date
	for i := range drafts {
		if e := &drafts[i]; e.Kind == event.SplitRecorded {
			if _, told := p.known.told(symbol, market.Split{Date: e.SessionDate, Ratio: e.Ratio}); !told {
				newest = max(newest, e.SessionDate)
			}
		}
	}
	return newest
}

func (p *Pricer) askAll(ctx context.Context, r *round, s Source, symbol string, gaps []Interval) (drafts []event.Price, unknown bool, err error) {
	for _, in := range gaps {
		got, err := s.Bars(ctx, symbol, in.From, in.To)
		if errors.Is(err, ErrUnknown) {
			return nil, true, p.control(ctx, r, s, err)
		}
		if err != nil {
			return nil, false, err
		}
		r.alive[s.Name()] = r.alive[s.Name()] || slices.ContainsFunc(got, func(e event.Price) bool { return e.Kind == event.BarRecorded })
		drafts = append(drafts, got...)
	}
	return drafts, false, nil
}

// control doubts a source that says a symbol does not exist, or has no bars of it, before it has given
// anything in this step: there are outages in which a source knows nobody. It must have the benchmark.
func (p *Pricer) control(ctx context.Context, r *round, s Source, said error) error {
	if s.Local() || r.alive[s.Name()] {
		return nil
	}
	last, _ := p.Calendar.LastFinal(Benchmark, r.now)
	got, err := s.Bars(ctx, Benchmark, last-2*overlap, last)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return err
	}
	if !slices.ContainsFunc(got, func(e event.Price) bool { return e.Kind == event.BarRecorded }) {
		return fmt.Errorf("%w: %s has no %s either (%v)", ErrUnavailable, s.Name(), Benchmark, said)
	}
	r.alive[s.Name()] = true
	return nil
}

// gone returns drafts that say of which days, GiveUp or more after they were final, the source has no
// bars although it was asked for them.
func (p *Pricer) gone(s Source, symbol string, need Need, asked []Interval, drafts []event.Price, now time.Time) []event.Price {
	givenUp, ok := p.Calendar.LastFinal(symbol, now.Add(-GiveUp))
	if s.Local() || !ok {
		return nil
	}
	drafted := map[event.Date]bool{}
	for i := range drafts {
		if e := &drafts[i]; e.Kind == event.BarRecorded {
			drafted[e.SessionDate] = true
		}
	}
	recorded := p.known.has(symbol, s.Origins())
	has := func(d event.Date) bool { return drafted[d] || recorded(d) }
	var out []event.Price
	for _, in := range p.missing(subtract(asked, []Interval{{givenUp + 1, p.Calendar.Last()}}), has) {
		out = append(out, nothingDraft(symbol, s.Origins()[0], in, need.CausedBy, now))
	}
	return out
}
