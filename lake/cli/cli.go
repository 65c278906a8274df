// Package cli is what all binaries do alike at the command line: flags with environment twins by
// kong, a context that ends on Ctrl-C or SIGTERM, logging, progress on standard error, exit codes.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/willabides/kongplete"
)

// Exit codes.
const (
	ExitOK          = 0
	ExitFailure     = 1 // it was tried and went wrong, or a check found something
	ExitUsage       = 2 // the command line or the configuration is wrong; nothing was done
	ExitInterrupted = 130
)

// ErrUsage marks errors that lie in the command line or the configuration.
var ErrUsage = errors.New("usage")

// Command is a main without the process around it. Errors wrapping ErrUsage exit with ExitUsage.
type Command func(ctx context.Context, args []string, stdout, stderr io.Writer) error

// Main runs the command with the process's arguments until it ends or a signal asks it to, prints
// its error, and exits. A second signal ends the process at once, which every service must bear.
func Main(name string, run Command) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // the next signal kills
	}()
	code := Exit(ctx, name, run(ctx, os.Args[1:], os.Stdout, os.Stderr), os.Stderr)
	stop()
	os.Exit(code)
}

// Exit prints err, if any, and returns the exit code that it stands for.
func Exit(ctx context.Context, name string, err error, stderr io.Writer) int {
	switch {
	case err == nil:
		return ExitOK
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintf(stderr, "%s: interrupted\n", name)
		return ExitInterrupted
	case errors.Is(err, ErrUsage):
		fmt.Fprintf(stderr, "%s: %v\nSee %s --help.\n", name, err, name)
		return ExitUsage
	default:
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return ExitFailure
	}
}

// helpShown ends the parsing after --help or --version have printed.
type helpShown struct{}

// Parse reads args into grammar, a kong struct, and returns the chosen command; done is true when
// help or the version was printed and nothing is left to do. description is shown by --help and
// should hold examples.
func Parse(grammar any, name, description string, args []string, stdout, stderr io.Writer) (kctx *kong.Context, done bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(helpShown); !ok {
				panic(r)
			}
			done = true
		}
	}()
	parser, err := kong.New(grammar, kong.Name(name), kong.Description(description),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { panic(helpShown{}) }),
		kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Vars{"version": name + " " + Version()})
	if err != nil {
		return nil, false, fmt.Errorf("build command line of %s: %w", name, err)
	}
	kongplete.Complete(parser) // asked by a shell (COMP_LINE), it prints what could come next and ends
	kctx, err = parser.Parse(args)
	if errors.Is(err, ErrUnhealthy) {
		return nil, false, err
	}
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	return kctx, false, nil
}

// Version returns the module version and commit that the binary was built from, as far as it knows.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version, commit := info.Main.Version, ""
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 && !strings.Contains(version, s.Value[:12]) {
			commit = " " + s.Value[:12]
		}
	}
	if version == "" {
		version = "(devel)"
	}
	return version + commit
}

// Logging holds the flags about logs. Embed it in a grammar.
type Logging struct {
	LogLevel  slog.Level `name:"log-level" env:"LOG_LEVEL" default:"info" help:"debug, info, warn or error."`
	LogFormat string     `name:"log-format" env:"LOG_FORMAT" enum:"text,json" default:"text" help:"text or json."`
}

// Logger returns the logger that the flags ask for, writing to w.
func (l Logging) Logger(w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: l.LogLevel}
	if l.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
