package main

import (
	"fmt"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/cli"
)

type doctorCmd struct {
	Service string `help:"Probe only what this service needs: ${enum}." enum:"harvester,analyzer,pricer,projector,maintain,all" default:"all"`
}

func (c *doctorCmd) Run(e *environment) error {
	needs, err := lake.NeedsOf(c.Service)
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	l, err := lake.Open(e.ctx, e.url, lake.Options{Producer: "doctor@1"})
	if err != nil {
		return err
	}
	bad := 0
	err = l.Examine(e.ctx, needs, func(f lake.Finding) {
		if !f.OK() {
			bad++
		}
		if e.json {
			_ = e.line(f)
			return
		}
		fmt.Fprintf(e.stdout, "%-12s %-14s %-8s %s\n", f.Place, f.Probe, f.Verdict, f.Detail)
		if f.Remedy != "" {
			fmt.Fprintf(e.stdout, "%37s%s\n", "what to do: ", f.Remedy)
		}
	})
	if err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("doctor %s: %d things stand in the way", l.URL, bad)
	}
	return nil
}
