// Package simulator makes up a timeline of posts, so that everything downstream has work where there
// is no source. All of it is marked synthetic and comes from source "simulator"; the texts are
// templates of our own, no real post is quoted.
//
// The timeline is a pure function of the seed: each New York day is drawn by itself, from seed and
// date. From and the clock only choose the part that is shown, so a later reading shows the same
// posts and those that came since, and two machines with one seed agree.
package simulator

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
	_ "time/tzdata" // days are New York's, whatever the machine has

	"shitpost-alpha/lake/event"
)

// Name is the source of all events of the simulator.
const Name = "simulator"

// Source shows the timeline from From up to now. It fits posts.Source.
type Source struct {
	Seed uint64
	// From is where the timeline begins, To where it ends; both UTC, inclusive. Zero To: at Now.
	From, To time.Time
	Now      func() time.Time
}

// Name returns "simulator".
func (s *Source) Name() string { return Name }

// Live reports whether the timeline goes on with the clock.
func (s *Source) Live() bool { return s.To.IsZero() }

// Read yields everything published and edited up to now, in the order in which it happened. An edit
// comes as a second version of its post.
func (s *Source) Read(ctx context.Context, yield func(event.Post) error) error {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		return fmt.Errorf("load time zone of the simulator: %w", err)
	}
	if s.From.IsZero() {
		return fmt.Errorf("simulate posts: no start given: set the time from which posts are made up")
	}
	to := s.Now()
	if !s.To.IsZero() && s.To.Before(to) {
		to = s.To
	}
	var edits []event.Post // not yet shown, by time of edit
	for date := event.DateOf(s.From.In(newYork)); !date.In(newYork, 0, 0).After(to); date++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, p := range s.day(date, newYork) {
			for len(edits) > 0 && edits[0].EditedAt.Before(p.PublishedAt) {
				if err := s.show(edits[0], edits[0].EditedAt, to, yield); err != nil {
					return err
				}
				edits = edits[1:]
			}
			if !p.EditedAt.IsZero() {
				edits = append(edits, p)
				slices.SortStableFunc(edits, func(a, b event.Post) int { return a.EditedAt.Compare(b.EditedAt) })
				continue
			}
			if err := s.show(p, p.PublishedAt, to, yield); err != nil {
				return err
			}
		}
	}
	for _, p := range edits {
		if err := s.show(p, p.EditedAt, to, yield); err != nil {
			return err
		}
	}
	return nil
}

// show yields a post that was published in the shown part and whose version was there at its end.
func (s *Source) show(p event.Post, at, to time.Time, yield func(event.Post) error) error {
	if p.PublishedAt.Before(s.From) || at.After(to) {
		return nil
	}
	return yield(p)
}

// day draws the posts of a New York day, ascending, each followed by its edit if it has one.
func (s *Source) day(date event.Date, newYork *time.Location) []event.Post {
	rng := rand.New(rand.NewPCG(s.Seed, uint64(date)))
	var out []event.Post
	var earlier []string
	for _, at := range times(rng, date, newYork) {
		p := s.post(rng, at, earlier)
		earlier = append(earlier, p.PostID)
		out = append(out, p)
		if p.ReblogID == "" && p.Text != "" && rng.IntN(100) < 3 {
			out = append(out, edited(rng, p))
		}
	}
	return out
}

// times draws 15 to 40 moments: bursts of a few minutes, mostly in the early morning and the late
// evening of New York, some at midday, few after midnight. They are whole milliseconds and at
// least a second apart, so that ids ascend.
func times(rng *rand.Rand, date event.Date, newYork *time.Location) []time.Time {
	n := 15 + rng.IntN(26)
	begin, end := date.In(newYork, 0, 0), (date+1).In(newYork, 0, 0)
	var out []time.Time
	for len(out) < n {
		var minute int
		switch p := rng.IntN(100); {
		case p < 35:
			minute = 6*60 + rng.IntN(4*60)
		case p < 55:
			minute = 10*60 + rng.IntN(9*60)
		case p < 93:
			minute = 19*60 + rng.IntN(5*60)
		default:
			minute = rng.IntN(2 * 60)
		}
		at := date.In(newYork, minute/60, minute%60)
		for burst := 1 + rng.IntN(5); burst > 0 && len(out) < n && at.Before(end); burst-- {
			out = append(out, at.Add(time.Duration(rng.IntN(60_000))*time.Millisecond))
			at = at.Add(time.Duration(1+rng.IntN(11)) * time.Minute)
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	for i := range out {
		if i > 0 && out[i].Sub(out[i-1]) < time.Second {
			out[i] = out[i-1].Add(time.Second)
		}
	}
	// Pushed-apart posts at the very end would fall into the next day.
	return slices.DeleteFunc(out, func(t time.Time) bool { return t.Before(begin) || !t.Before(end) })
}

// post draws one post. earlier are the ids of the day's posts so far.
func (s *Source) post(rng *rand.Rand, at time.Time, earlier []string) event.Post {
	var p event.Post
	p.PostID = snowflake(rng, at)
	p.Kind, p.Source, p.Key, p.Synthetic = event.PostObserved, Name, p.PostID, true
	p.PublishedAt, p.OccurredAt, p.SourceCreatedAt = at.UTC(), at.UTC(), at.UTC()
	p.URL = "https://simulator.invalid/@" + event.AuthorUsername + "/" + p.PostID
	p.AccountID, p.AccountUsername, p.AccountDisplayName = event.AuthorID, event.AuthorUsername, "Simulated account"
	p.Language = "en"
	t := texts{rng}
	switch kind := rng.IntN(100); {
	case kind < 12:
		p.Text = "RT @" + t.pick(handles) + " " + t.statement()
		if rng.IntN(2) == 0 {
			p.ReblogID = snowflake(rng, at.Add(-time.Duration(1+rng.IntN(600))*time.Minute))
		}
	case kind < 17:
		p.Text = t.link()
	case kind < 25:
		p.MediaURLs = t.media(p.PostID, 1+rng.IntN(3))
	case kind < 28:
		p.Text = t.pick(short)
	case kind < 32 && len(earlier) > 0:
		p.QuoteID = earlier[rng.IntN(len(earlier))]
		p.Text = "RT: https://simulator.invalid/users/" + event.AuthorUsername + "/statuses/" + p.QuoteID + t.statement()
	default:
		p.Text = t.statements()
		if rng.IntN(6) == 0 {
			p.Text += " " + t.link()
		}
		if rng.IntN(8) == 0 {
			p.MediaURLs = t.media(p.PostID, 1)
		}
	}
	p.Replies, p.Reblogs, p.Favourites = t.counters()
	return p
}

// edited draws the later version of p: the same post with another sentence.
func edited(rng *rand.Rand, p event.Post) event.Post {
	t := texts{rng}
	p.EditedAt = p.PublishedAt.Add(time.Duration(120+rng.IntN(5400)) * time.Second)
	p.Text += " " + t.statement()
	return p
}

// snowflake returns a post id that carries the time; its lower 16 bits are drawn.
func snowflake(rng *rand.Rand, at time.Time) string {
	return strconv.FormatUint(uint64(at.UnixMilli())<<16|uint64(rng.IntN(1<<16)), 10)
}

// counters draws how often the post was answered, reposted and liked at first sight: a long tail.
func (t texts) counters() (replies, reblogs, favourites *int64) {
	likes := int64(2_000 * (1 + 14*t.rng.Float64()*t.rng.Float64()))
	shares := likes / int64(3+t.rng.IntN(4))
	answers := cmp.Or(shares/int64(2+t.rng.IntN(5)), 1)
	return &answers, &shares, &likes
}
