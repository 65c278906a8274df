package lake

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"shitpost-alpha/lake/delta"
)

// turns is how processes that append to one stream take turns, with no other word to each other than
// the log. A turn is some commits in a row, two requests each, without a look between them. Every
// commit names its writer and says how many more it means to make in its turn. One that is alone
// makes long turns and small pauses. One that lost a race, or found somebody else's commits when it
// had paused, makes short turns, and waits before each until those who waited for longer had theirs,
// or have let it pass. All of it is courtesy: who appends out of turn wins a race or loses one, and
// nothing else.
type turns struct {
	mu        sync.Mutex    // guards what follows
	commit    time.Duration // about how long a commit takes
	synced    time.Time     // when this process last knew the newest version
	mine      int64         // the newest version that this process committed
	left      int           // commits that it still means to make in its turn
	until     time.Time     // when its turn ends at the latest
	contended bool          // others append too
	alone     int64         // the commits up to this version do not say who else appends now
}

const (
	// A turn is so many commits: enough that what comes between two turns costs little, few enough
	// that nobody waits for long.
	turnCommits  = 12 // of one of several
	quietCommits = 16 // where others are silent
	aloneCommits = 96 // where there are none
	turnTime     = time.Second
	// firstCommit is how long a commit is thought to take before there was one.
	firstCommit = 2 * time.Millisecond
	maxCommit   = time.Second
	// maxPause is how many commits' time a process waits between two looks at most.
	maxPause = 32
	// maxTurnWait is how long a process waits for its turn at most.
	maxTurnWait = 10 * time.Second

	// Tags of a commitInfo: a random name of the process that wrote it, and how many more commits that
	// means to make in its turn.
	tagWriter = "writer"
	tagTurn   = "turn"
)

// won notes a commit of this process that took so long; 0: it does not tell.
func (t *turns) won(version int64, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch took = min(took, maxCommit); {
	case took == 0:
	case t.commit == 0:
		t.commit = took
	case took < t.commit: // the first ones are slow: connections are made, programs loaded
		t.commit = (t.commit + took) / 2
	default:
		t.commit = (7*t.commit + took) / 8
	}
	t.synced, t.mine = time.Now(), version
	t.left = t.next()
}

// lost notes that another process committed first.
func (t *turns) lost() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.contended, t.left = true, 0
}

// next returns how many commits the turn has left after one more.
func (t *turns) next() int {
	return max(0, min(t.left-1, int(time.Until(t.until)/t.pace())))
}

func (t *turns) pace() time.Duration {
	if t.commit == 0 {
		return firstCommit
	}
	return max(t.commit, 1)
}

// begin gives this process a turn. skipped: those who waited for longer did not take theirs.
func (t *turns) begin(head int64, length int, contended, skipped bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.synced, t.until, t.left, t.contended = time.Now(), time.Now().Add(turnTime), length, contended
	if skipped {
		t.alone = head
	}
}

// now says whether this process may append without a look, because it has the turn and knew the
// newest version a moment ago; paused that its turn, in which it was alone, has just ended.
func (t *turns) now() (fresh, contended, paused bool, commit time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	age := time.Since(t.synced)
	fresh = t.left > 0 && (age < 2*t.pace() || !t.contended && age < 10*t.pace())
	return fresh, t.contended, t.left == 0 && age < 10*t.pace(), t.pace()
}

// tags returns what the next commit says of turns.
func (s *shared) tags() map[string]string {
	s.turns.mu.Lock()
	defer s.turns.mu.Unlock()
	return map[string]string{tagWriter: s.writer, tagTurn: strconv.Itoa(s.turns.next())}
}

// Turn returns the newest version as far as it is known when it is this process's turn to append
// behind it: at once while it is alone, else when those who append too have made room. Whoever
// appends in a loop asks before each append. Nothing is reserved: the append can still conflict.
func (s *Stream[E]) Turn(ctx context.Context) (int64, error) {
	head, _, err := s.turn(ctx)
	return head, err
}

// turn is Turn; looked says that the version was the newest just now, not only a moment ago.
func (s *shared) turn(ctx context.Context) (head int64, looked bool, err error) {
	fresh, contended, paused, commit := s.turns.now()
	if fresh {
		return s.table.Seen(), false, nil
	}
	if others, _, _ := s.rivals(); contended && others > 0 {
		head, err = s.listen(ctx)
		return head, true, err
	}
	if paused { // for as long as one that waits needs to see it and to commit
		if err := sleep(ctx, 2*commit); err != nil {
			return 0, true, err
		}
	}
	before := s.table.Seen()
	if head, err = s.table.Refresh(ctx); err != nil {
		return 0, true, err
	}
	others, _, _ := s.rivals()
	if paused && others > 0 && head > before {
		head, err = s.listen(ctx)
		return head, true, err
	}
	length := aloneCommits
	if others > 0 {
		length = quietCommits
	}
	s.turns.begin(head, length, false, false)
	return head, true, nil
}

// listen returns when it is this process's turn: those ahead of it had theirs, or nothing was heard
// for so long that they do not want it.
func (s *shared) listen(ctx context.Context) (int64, error) {
	begun := time.Now()
	news := begun // when something new was last seen
	_, _, _, pace := s.turns.now()
	_, ahead, left := s.rivals()
	for {
		// Before the turns of those ahead can have ended there is no use in looking. The longer that is,
		// the less is known of it.
		until := pace * time.Duration(left+turnCommits*ahead)
		quiet := until + pace*3/2
		pause := max(min(until*3/4-time.Since(news), maxPause*pace), pace/2)
		if err := sleep(ctx, pause+rand.N(pace/4+1)); err != nil {
			return 0, err
		}
		before := s.table.Seen()
		head, err := s.table.Refresh(ctx)
		if err != nil {
			return 0, err
		}
		now, waited := time.Now(), ahead
		if head > before {
			pace = min(pace, now.Sub(news)/time.Duration(head-before)) // of all who append
			news = now
		}
		_, ahead, left = s.rivals()
		switch {
		case ahead == 0 && left == 0, now.Sub(begun) > maxTurnWait:
			s.turns.begin(head, turnCommits, true, false)
			return head, nil
		case now.Sub(news) >= quiet:
			s.turns.begin(head, turnCommits, true, waited > 0)
			return head, nil
		}
	}
}

// rivals counts the other writers of the newest commits, and those of them whose own newest commit
// is older than this process's: they are ahead. left is how many more commits the writer of the
// newest one means to make in its turn, 0 where it does not say.
func (s *shared) rivals() (others, ahead, left int) {
	s.turns.mu.Lock()
	alone, mine := s.turns.alone, s.turns.mine
	s.turns.mu.Unlock()
	seen := map[string]bool{s.writer: true}
	head := s.table.Seen()
	for v := head; v > max(alone, head-delta.RecentCommits, 0); v-- {
		actions, _ := s.table.Recent(v)
		writer, meant := writerOf(actions)
		if v == head && writer != s.writer {
			left = meant
		}
		if writer == "" || seen[writer] {
			continue
		}
		seen[writer] = true
		others++
		if v < mine {
			ahead++
		}
	}
	return others, ahead, left
}

// writerOf returns the writer that a commit names and how many more it means to make in its turn.
func writerOf(actions []delta.Action) (writer string, left int) {
	for _, a := range actions {
		if a.CommitInfo != nil {
			left, _ = strconv.Atoi(a.CommitInfo.Tags[tagTurn]) // of a writer that does not say, 0
			return a.CommitInfo.Tags[tagWriter], min(max(left, 0), aloneCommits)
		}
	}
	return "", 0
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
