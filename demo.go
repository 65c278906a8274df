package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/readmodel/localpg"
)

// demoCmd runs all services until there is nothing left to do, and prints what came out.
type demoCmd struct {
	Dir         string   `default:"./data/demo" placeholder:"DIR" help:"Where everything is kept: the lake, and a Postgres of its own. A second run goes on from there."`
	Lake        string   `env:"LAKE_URL" placeholder:"URL" help:"Another place for the lake: a folder or s3://bucket/prefix. Default: DIR/lake."`
	Database    string   `env:"DATABASE_URL" placeholder:"URL" help:"A Postgres to use instead of one of its own, postgres://…"`
	Posts       []string `sep:"none" placeholder:"PATH" help:"File or folder of posts; may be repeated. Default: the simulator."`
	Prices      []string `sep:"none" placeholder:"PATH" help:"File or folder of prices; may be repeated. Default: the simulator."`
	Seed        uint64   `default:"1" help:"Seed of the simulators."`
	Days        int      `default:"90" help:"How many days back the simulator begins."`
	Since       string   `default:"2025-01-01" placeholder:"DAY" help:"Analyse posts from this day on, UTC."`
	JSON        bool     `name:"json" help:"Print the summary as one JSON object."`
	KeepRunning bool     `help:"Print the summary, then keep all services and the database running until a signal."`
	cli.Logging
}

// Run is called by the command line.
func (c *demoCmd) Run(p *process) error {
	if c.LogLevel == slog.LevelInfo && !c.KeepRunning {
		c.LogLevel = slog.LevelWarn // the progress says what the services would
	}
	d := &demo{demoCmd: c, log: c.Logger(p.stderr), progress: cli.NewProgress(p.stderr, time.Now), started: time.Now()}
	if err := d.check(); err != nil {
		return err
	}
	stop, err := d.openDatabase(p.ctx)
	if err != nil {
		return err
	}
	err = d.run(p)
	return errors.Join(err, stop())
}

// demo is one run of the command.
type demo struct {
	*demoCmd
	since       time.Time
	log         *slog.Logger
	progress    *cli.Progress
	started     time.Time
	databaseURL string
	ownDatabase bool
	viewer      *lightViewer // while everything is kept running
}

// check looks at the whole configuration and names everything that is wrong with it.
func (d *demo) check() error {
	var errs []error
	since, err := time.Parse(time.DateOnly, d.Since)
	if err != nil {
		errs = append(errs, fmt.Errorf("--since %q: want YYYY-MM-DD", d.Since))
	}
	d.since = since
	if d.Days < 1 || d.Days > 1500 {
		errs = append(errs, fmt.Errorf("--days %d: want 1 to 1500", d.Days))
	}
	for flag, paths := range map[string][]string{"posts": d.Posts, "prices": d.Prices} {
		for _, path := range paths {
			if _, err := os.Stat(path); err != nil {
				errs = append(errs, fmt.Errorf("--%s: %w", flag, err))
			}
		}
	}
	if len(d.Posts) > 0 && len(d.Prices) == 0 {
		errs = append(errs, errors.New("--posts without --prices: real posts would be scored with made-up prices; name price files too"))
	}
	if dir, err := filepath.Abs(d.Dir); err != nil {
		errs = append(errs, fmt.Errorf("--dir: %w", err))
	} else {
		d.Dir = dir
	}
	if d.Lake == "" {
		d.Lake = filepath.Join(d.Dir, "lake")
	}
	if len(errs) > 0 {
		return fmt.Errorf("%w: %w", cli.ErrUsage, errors.Join(errs...))
	}
	return nil
}

// openDatabase starts a Postgres of the demo's own, unless one is given. stop ends it again.
func (d *demo) openDatabase(ctx context.Context) (stop func() error, err error) {
	if d.Database != "" {
		d.databaseURL = d.Database
		return func() error { return nil }, nil
	}
	server, err := localpg.Start(ctx, localpg.Options{Dir: filepath.Join(d.Dir, "postgres"), Log: d.log})
	if err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	d.databaseURL, d.ownDatabase = server.URL(), true
	return server.Stop, nil
}

func (d *demo) run(p *process) error {
	l, err := lake.Open(p.ctx, d.Lake, lake.Options{Producer: "alpha@1", Log: d.log})
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	s, err := d.services(l)
	if err != nil {
		return err
	}
	if err := s.once(p.ctx); err != nil {
		return err
	}
	if !d.KeepRunning {
		return d.report(p, l)
	}
	if d.viewer, err = openViewer(p.ctx, d.databaseURL, d.log); err != nil {
		return err
	}
	if err := d.report(p, l); err != nil {
		return errors.Join(err, d.viewer.close())
	}
	return d.viewer.while(p.ctx, func(ctx context.Context) error { return s.run(ctx, "") })
}

// report prints the summary.
func (d *demo) report(p *process, l *lake.Lake) error {
	summary, err := summarize(p.ctx, d.databaseURL, d.since)
	if err != nil {
		return err
	}
	summary.LakeURL, summary.DatabaseURL = l.URL, d.shownDatabaseURL()
	if d.viewer != nil {
		summary.ViewerURL = d.viewer.URL()
	}
	summary.Seconds = time.Since(d.started).Round(time.Millisecond).Seconds()
	if d.JSON {
		enc := json.NewEncoder(p.stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(summary)
	}
	summary.Print(p.stdout)
	d.printWhere(p.stdout, summary)
	return nil
}

// shownDatabaseURL is the URL that readers get: a password that somebody gave us is not printed, that
// of the demo's own server on this machine is needed to look at it.
func (d *demo) shownDatabaseURL() string {
	if d.ownDatabase {
		return d.databaseURL
	}
	u, err := url.Parse(d.databaseURL)
	if err != nil {
		return "the one given"
	}
	return u.Redacted()
}

func (d *demo) printWhere(w io.Writer, s *Summary) {
	fmt.Fprintf(w, "\nLake       %s\n           bin/lake --lake %s ls | stat | verify | cat posts --limit 3\n", s.LakeURL, s.LakeURL)
	fmt.Fprintf(w, "Took       %.1f s\n", s.Seconds)
	if d.viewer != nil {
		fmt.Fprintf(w, "Dashboards %s\n", d.viewer.URL())
		fmt.Fprintf(w, "Postgres   psql '%s' -c 'SELECT * FROM readmodel.accuracy'\n           up with all services until Ctrl-C\n", s.DatabaseURL)
		return
	}
	if !d.ownDatabase {
		return
	}
	again := "bin/alpha demo --keep-running --dir " + d.Dir
	if d.Lake != filepath.Join(d.Dir, "lake") {
		again += " --lake " + d.Lake
	}
	for _, f := range d.Posts {
		again += " --posts " + f
	}
	for _, f := range d.Prices {
		again += " --prices " + f
	}
	fmt.Fprintf(w, "Look       %s\n           brings everything up again and prints the psql command\n", again)
}
