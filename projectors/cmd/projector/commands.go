package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/projectors"
)

// settingsFlags are the settings that the read model follows from. What is not given stays as it is
// stored in the database.
type settingsFlags struct {
	Band            *float64 `name:"band" env:"CORRECTNESS_BAND" help:"How far a return must go to count, in percentage points (0.5)." group:"Settings" placeholder:"PCT"`
	Benchmark       *string  `name:"benchmark" env:"BENCHMARK" help:"Symbol of the benchmark (SPY)." group:"Settings" placeholder:"SYMBOL"`
	SourceOrder     []string `name:"source-order" env:"PRICE_SOURCE_ORDER" help:"Price sources or families to prefer, best first." group:"Settings" placeholder:"SOURCE"`
	PrimaryAnalyzer *string  `name:"primary-analyzer" env:"PRIMARY_ANALYZER" help:"analyzer[/provider[/model]] of the headlines; empty means all." group:"Settings" placeholder:"NAME"`
}

func (f settingsFlags) overrides() projectors.Overrides {
	o := projectors.Overrides{Band: f.Band, Benchmark: f.Benchmark, PrimaryAnalyzer: f.PrimaryAnalyzer}
	if f.SourceOrder != nil {
		order := slices.DeleteFunc(slices.Clone(f.SourceOrder), func(s string) bool { return s == "" })
		o.SourceOrder = &order
	}
	return o
}

// projector wires one up as the flags say.
func (g *grammar) projector(ctx context.Context, e *environment, stderr io.Writer) (*projectors.Projector, error) {
	log := e.log
	l, err := lake.Open(ctx, g.Lake, lake.Options{ReadOnly: true, Poll: g.Poll, Log: log})
	if err != nil {
		return nil, err
	}
	return projectors.New(projectors.Options{Lake: l, DatabaseURL: g.Database, Settings: g.overrides(), Producer: "projector@" + cli.Version(),
		Now: time.Now, Log: log, Progress: cli.NewProgress(stderr, time.Now).Report, Health: e.health}), nil
}

// environment is what every command gets.
type environment struct {
	ctx       context.Context
	projector *projectors.Projector
	health    *projectors.Health
	database  string
	log       *slog.Logger
	json      bool
	stdout    io.Writer
}

// print writes v as a JSON line, or as text.
func (e *environment) print(v any, text string) error {
	if !e.json {
		_, err := fmt.Fprintln(e.stdout, text)
		return err
	}
	return json.NewEncoder(e.stdout).Encode(v)
}

type runCmd struct {
	Once   bool           `name:"once" help:"Apply everything up to the newest events, then exit."`
	Listen string         `name:"listen" env:"LISTEN" help:"Serve /healthz, /readyz and /metrics at this address, such as :9104." placeholder:"ADDRESS"`
	Health cli.HealthFlag `name:"health" help:"Ask the projector that listens at this address whether it lives, and exit: 0 yes, 1 no." placeholder:"ADDRESS"`
}

func (c *runCmd) Run(e *environment) error {
	run := e.projector.Run
	if c.Once {
		run = e.projector.Once
	}
	if c.Listen == "" {
		return usage(run(e.ctx))
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("%w: --listen: %w", cli.ErrUsage, err)
	}
	server := &http.Server{Handler: e.health.Handler(), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	e.log.Info("listening", "address", listener.Addr().String())
	err = usage(run(e.ctx))
	stop, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), 5*time.Second)
	defer cancel()
	_ = server.Shutdown(stop) // whoever still reads is cut off when the process ends
	if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serve %s: %w", c.Listen, failed))
	}
	return err
}

type watchCmd struct{}

func (watchCmd) Run(e *environment) error {
	return projectors.Watch(e.ctx, e.database, e.log, func(next map[string]int64) error { return json.NewEncoder(e.stdout).Encode(next) })
}

type dictionaryCmd struct{}

func (dictionaryCmd) Run(e *environment) error {
	text, err := projectors.Dictionary(e.ctx, e.database)
	if err != nil {
		return err
	}
	_, err = io.WriteString(e.stdout, text)
	return err
}

// usage marks errors that lie in the configuration.
func usage(err error) error {
	if errors.Is(err, projectors.ErrSettings) || errors.Is(err, projectors.ErrInvalidSettings) {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	return err
}

type rebuildCmd struct {
	Settings bool `name:"settings" help:"Allow other settings than those stored, and store them."`
}

func (c *rebuildCmd) Run(e *environment) error {
	b, err := e.projector.Rebuild(e.ctx, c.Settings)
	if err != nil {
		return usage(err)
	}
	return e.print(b, fmt.Sprintf("build %d is live: %d events, %d rows in %.1f s (%.0f rows/s)", b.ID, b.Events, b.Rows, b.Seconds, float64(b.Rows)/max(b.Seconds, 1e-3)))
}

type verifyCmd struct{}

func (verifyCmd) Run(e *environment) error {
	found, err := e.projector.Verify(e.ctx)
	if err != nil {
		return err
	}
	wrong := 0
	for _, c := range found {
		if !c.OK() {
			wrong++
		}
		if err := e.print(c, c.String()); err != nil {
			return err
		}
	}
	if wrong > 0 {
		return fmt.Errorf("verify read model: %d of %d tables differ from the lake: run projector rebuild", wrong, len(found))
	}
	return nil
}

type statusCmd struct{}

func (statusCmd) Run(e *environment) error {
	st, err := e.projector.Status(e.ctx)
	if err != nil {
		return err
	}
	if e.json {
		return e.print(st, "")
	}
	if !st.Exists {
		return e.print(nil, "no read model yet: run projector run")
	}
	fmt.Fprintf(e.stdout, "generation %d, build %d (%s: %s), band %v, benchmark %s, primary analyzer %q, built by this code: %t\n",
		st.Generation, st.Build.ID, st.Build.State, st.Build.Reason, st.Settings.Band, st.Settings.Benchmark, st.Settings.PrimaryAnalyzer, st.Current)
	for _, s := range st.Streams {
		checked := "never"
		if s.CheckedAt != nil {
			checked = s.CheckedAt.UTC().Format(time.RFC3339)
		}
		if _, err := fmt.Fprintf(e.stdout, "%-12s applied %d of %d, %d behind, last looked %s\n", s.Stream, s.Applied, s.Head, s.Behind, checked); err != nil {
			return err
		}
	}
	return nil
}
