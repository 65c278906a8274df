package projectors

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"shitpost-alpha/readmodel"
)

// Watch calls f with the positions that every transaction of a projector announces: the version to be
// read next, per stream that it moved. It needs a direct connection, not a transaction pooler. After a lost
// connection it connects again; what was announced meanwhile is not told. It returns nil when ctx ends, and the
// error of f.
func Watch(ctx context.Context, databaseURL string, log *slog.Logger, f func(next map[string]int64) error) error {
	pause := time.Second
	for ctx.Err() == nil {
		failed, err := watchOnce(ctx, databaseURL, func(next map[string]int64) error {
			pause = time.Second
			return f(next)
		})
		if failed != nil || ctx.Err() != nil {
			return failed
		}
		log.Warn("listening ended", "retry_in", pause.String(), "error", err)
		if sleep(ctx, pause) != nil {
			return nil
		}
		pause = min(2*pause, time.Minute)
	}
	return nil
}

// watchOnce listens on one connection. failed is the error of f, err that of the connection.
func watchOnce(ctx context.Context, databaseURL string, f func(next map[string]int64) error) (failed, err error) {
	conn, err := Connect(ctx, databaseURL)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "LISTEN "+readmodel.Channel); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return nil, fmt.Errorf("wait for news: %w", err)
		}
		var next map[string]int64
		if json.Unmarshal([]byte(n.Payload), &next) != nil {
			continue // somebody else's words on our channel
		}
		if err := f(next); err != nil {
			return err, nil
		}
	}
}

// sleep waits, or returns ctx's error when that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
