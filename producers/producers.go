// Package producers is the loop that harvester, analyzer and pricer share. Each of them is a Step:
// catch up with the lake, decide from what it says, append what is missing. A step that ended
// leaves nothing half done, and one that was killed is simply taken again, because all state is in
// the lake. Run repeats a step by schedule, or when the lake has news, until it is told to stop.
package producers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Progress is told how far long work has come: done of total units of a stage, total 0 when it is
// not known. It may be nil and is safe for concurrent use.
type Progress func(stage string, done, total int)

// Report calls p unless it is nil.
func (p Progress) Report(stage string, done, total int) {
	if p != nil {
		p(stage, done, total)
	}
}

// Loop says what Run repeats and when.
type Loop struct {
	Name string
	// Step does all there is to do now and returns how many events it appended.
	Step func(ctx context.Context) (appended int, err error)
	// Once runs one step and returns its error.
	Once bool
	// Every is the pause between steps; a random tenth of it is added. After an error the pause
	// doubles from one second up to Every; it is longer where the error says when to come back
	// (RetryAfter), up to a day.
	Every time.Duration
	// Wait, if set, returns nil as soon as the lake has news for this producer: the pause then
	// ends early. After an error it does so too, because the cause may concern other work than the
	// news (one symbol, one post), but no sooner than ten seconds after it, or news that the failing
	// step could not read would make it run without a pause; and not at all where the error says when
	// to come back. It must return when ctx ends.
	Wait func(ctx context.Context) error
	Log  *slog.Logger
}

// Run repeats the step until ctx ends, which is a clean stop and no error. With Once it returns
// the step's own error.
func Run(ctx context.Context, l Loop) error {
	backoff := time.Second
	for {
		n, err := l.Step(ctx)
		if l.Once {
			if err != nil {
				return fmt.Errorf("run %s: %w", l.Name, err)
			}
			return nil
		}
		pause, deaf := l.Every+time.Duration(rand.Int64N(int64(l.Every)/10+1)), time.Duration(0)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			pause, backoff = max(backoff, RetryAfter(err)), min(backoff*2, max(l.Every, time.Second))
			deaf = min(pause, deafAfterError)
			if RetryAfter(err) > 0 {
				deaf = pause
			}
			l.Log.Error("step failed", "producer", l.Name, "class", ClassOf(err), "retry_in", pause.String(), "error", err)
		default:
			backoff = time.Second
			if n > 0 {
				l.Log.Info("step done", "producer", l.Name, "appended", n)
			}
		}
		if l.pause(ctx, pause, deaf); ctx.Err() != nil {
			return nil
		}
	}
}

// deafAfterError is how long news do not end the pause after an error.
const deafAfterError = 10 * time.Second

// pause waits for d, or after the first deaf of it for news, or for the end of ctx.
func (l Loop) pause(ctx context.Context, d, deaf time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	if l.Wait == nil || deaf >= d {
		<-ctx.Done()
		return
	}
	if deaf > 0 {
		timer := time.NewTimer(deaf)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
	}
	if err := l.Wait(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		l.Log.Warn("wait for news failed", "producer", l.Name, "error", err)
		<-ctx.Done()
	}
}
