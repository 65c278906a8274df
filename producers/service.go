package producers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
)

// Process is what a producer is given by the process that it runs in, alone or beside the others.
type Process struct {
	// Lake is nil where it could not be opened; the flags are then only checked.
	Lake *lake.Lake
	// DryRun: nothing is to be written, and nothing paid for.
	DryRun   bool
	Metrics  *Metrics
	Progress Progress // nil for none
	Now      func() time.Time
	Log      *slog.Logger
}

// Serving holds the flags about the HTTP server. Embed it in a grammar.
type Serving struct {
	Listen string         `env:"LISTEN" placeholder:"ADDR" help:"Serve /healthz, /readyz and /metrics at this address, such as :9101. Not with --once. Default: do not."`
	Health cli.HealthFlag `placeholder:"ADDR" help:"Ask the service that listens at this address whether it lives, and exit: 0 yes, 1 no."`
}

// Service is a Loop that can be looked at over HTTP while it runs.
type Service struct {
	Loop
	// Listen is the address of the HTTP server; "" is none, and none with Once.
	Listen string
	// Listening, if set, is told the address once the server accepts connections.
	Listening func(net.Addr)
	// Ready, if set, asks at each /readyz whether what the service needs can be reached.
	Ready   func(ctx context.Context) error
	Metrics *Metrics
	// Close, if set, gives up what the steps hold (a lease), after the last one. It may take some
	// seconds; what a crash leaves of it runs out by itself.
	Close func(ctx context.Context)
	// Now is the clock; time.Now when nil.
	Now func() time.Time

	health health
}

// Run runs the loop until ctx ends, and beside it, at Listen, the pages that Handler tells of. An
// address that cannot be listened at is an error before the first step.
func (s *Service) Run(ctx context.Context) error {
	if s.Now == nil {
		s.Now = time.Now
	}
	step := s.Step
	loop := s.Loop
	loop.Step = func(ctx context.Context) (int, error) {
		began := s.Now()
		n, err := step(ctx)
		if ctx.Err() == nil {
			s.Metrics.Step(s.Now().Sub(began), err)
			s.health.note(s.Now(), err)
		}
		return n, err
	}
	pages := Pages{Listen: s.Listen, Handler: Handler(s), Listening: s.Listening}
	if s.Once {
		pages.Listen = ""
	}
	if pages.Listen != "" {
		pages.Log = s.Log.With("producer", s.Name)
	}
	return pages.While(ctx, func(ctx context.Context) error {
		if s.Close != nil {
			defer func() {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
				defer cancel()
				s.Close(ctx)
			}()
		}
		return Run(ctx, loop)
	})
}

// Problems collects everything that is wrong with a configuration, so that it is said at once.
type Problems struct{ errs []error }

// Add notes err unless it is nil.
func (p *Problems) Add(err error) {
	if err != nil {
		p.errs = append(p.errs, err)
	}
}

// Any reports whether there are problems.
func (p *Problems) Any() bool { return len(p.errs) > 0 }

// Require notes a problem unless ok.
func (p *Problems) Require(ok bool, format string, args ...any) {
	if !ok {
		p.errs = append(p.errs, fmt.Errorf(format, args...))
	}
}

// Err returns all problems under the sentinel (cli.ErrUsage), nil when there are none.
func (p *Problems) Err(sentinel error) error {
	if err := errors.Join(p.errs...); err != nil {
		return fmt.Errorf("%w: %w", sentinel, err)
	}
	return nil
}
