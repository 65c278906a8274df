package main

import (
	"time"

	"github.com/alecthomas/kong"

	"shitpost-alpha/lake/cli"
	"shitpost-alpha/producers"
	"shitpost-alpha/producers/analysis/analyzer"
)

// grammar is the command line. All flags stand at the top, so that plain --help shows them.
type grammar struct {
	Run         struct{}       `cmd:"" default:"1" help:"Analyse the posts in the lake (the default)."`
	Explain     explainCommand `cmd:"" help:"Say what bypass, rules and symbols make of a text; needs no lake."`
	DeadLetters struct{}       `cmd:"" help:"List the posts that were given up."`
	Requeue     requeueCommand `cmd:"" help:"Have posts that were given up tried anew."`
	Compare     compareCommand `cmd:"" help:"Print what models made of posts, side by side; asks none."`
	Lake        string         `env:"LAKE_URL" default:"./data/lake" placeholder:"URL" help:"Folder or s3://bucket/prefix."`
	analyzer.Flags
	Estimate bool          `help:"Say what the open posts would take in tokens and dollars; ask and write nothing."`
	DryRun   bool          `help:"Say once what would be recorded, write nothing and ask no paid model."`
	Once     bool          `help:"Run once and exit, for cron."`
	Poll     time.Duration `env:"LAKE_POLL" default:"10s" help:"How often to look for other processes' commits."`
	JSON     bool          `name:"json" help:"Print reports, drafts and lists as JSON lines."`
	producers.Serving
	cli.Logging
	Version kong.VersionFlag `help:"Print the version."`
}
