package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"shitpost-alpha/lake/cli"
	"shitpost-alpha/projectors/legacycompare"
)

// compareLegacyCmd compares the Python system's outcomes with the read model's.
type compareLegacyCmd struct {
	LegacyDatabase string `name:"legacy-database" env:"LEGACY_DATABASE_URL" placeholder:"URL" help:"The Python system's Postgres, from which predictions and prices were imported; it is only read."`
	Summary        bool   `name:"summary" help:"Print the counts alone, not every row."`
}

func (c *compareLegacyCmd) Run(e *environment) error {
	if c.LegacyDatabase == "" {
		return fmt.Errorf("%w: no old database given: set --legacy-database or LEGACY_DATABASE_URL", cli.ErrUsage)
	}
	old, err := readOnly(e.ctx, "--legacy-database", c.LegacyDatabase)
	if err != nil {
		return err
	}
	defer old.Close(context.WithoutCancel(e.ctx))
	ours, err := readOnly(e.ctx, "--database", e.database)
	if err != nil {
		return err
	}
	defer ours.Close(context.WithoutCancel(e.ctx))
	s, err := legacycompare.Compare(e.ctx, old, ours, func(r *legacycompare.Row) error {
		if c.Summary {
			return nil
		}
		return e.print(r, r.String())
	})
	if errors.Is(err, legacycompare.ErrNotLegacy) {
		return fmt.Errorf("%w: --legacy-database: %w", cli.ErrUsage, err)
	}
	if err != nil {
		return err
	}
	if err := e.print(s, s.String()); err != nil {
		return err
	}
	if n := s.Unexplained(); n > 0 {
		return fmt.Errorf("compare with the Python system: %d horizons differ for no known reason", n)
	}
	return nil
}

// readOnly connects to a database whose transactions cannot write.
func readOnly(ctx context.Context, flag, url string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil { // its message leaves the password out
		return nil, fmt.Errorf("%w: %s: %w", cli.ErrUsage, flag, err)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", flag, err)
	}
	if _, err := conn.Exec(ctx, "SET default_transaction_read_only = on"); err != nil {
		conn.Close(ctx)
		return nil, fmt.Errorf("connect to %s: %w", flag, err)
	}
	return conn, nil
}
