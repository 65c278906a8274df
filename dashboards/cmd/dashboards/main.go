// Command dashboards renders Grafana's provisioning files.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"github.com/alecthomas/kong"

	"shitpost-alpha/dashboards"
	"shitpost-alpha/lake/cli"
)

const description = `Render Grafana's dashboards over the read model to provisioning files.

Examples:
  dashboards render --out build/grafana       then GF_PATHS_PROVISIONING=$PWD/build/grafana/provisioning grafana server
  dashboards render --stdout overview         one dashboard as JSON, to import by hand
  dashboards serve --database postgres://…    look at them without Grafana, at http://127.0.0.1:9180
  dashboards render --out build/grafana --subscribers dashboards/subscribers.example.yaml    with alerts
  dashboards check --database postgres://…    run every query as Grafana would, and say what it could not draw
  dashboards list --json                      names, and the variables that Grafana's environment must hold`

type grammar struct {
	Render struct {
		Out       string `env:"DASHBOARDS_OUT" help:"Folder for the files: provisioning/ and dashboards/ are made below it."`
		MountedAt string `env:"DASHBOARDS_MOUNTED_AT" help:"Where Grafana sees that folder, if elsewhere (a container's mount)."`
		Stdout    string `placeholder:"NAME" help:"Write the JSON of this dashboard, or alerting, to standard output instead."`
		alertFlags
	} `cmd:"" help:"Write the files."`
	List struct {
		JSON bool `name:"json" help:"As JSON."`
	} `cmd:"" help:"List the dashboards and what Grafana's environment must hold."`
	Check   checkFlags       `cmd:"" help:"Check everything that can be checked without Grafana; with --database every query too."`
	Serve   serveFlags       `cmd:"" help:"Show the dashboards without Grafana: the light viewer."`
	Version kong.VersionFlag `help:"Print the version."`
}

func main() { cli.Main("dashboards", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var g grammar
	command, done, err := cli.Parse(&g, "dashboards", description, args, stdout, stderr)
	if err != nil || done {
		return err
	}
	switch {
	case command.Command() == "list":
		return list(stdout, g.List.JSON)
	case command.Command() == "serve":
		return serve(ctx, g.Serve, stderr)
	case command.Command() == "check":
		return g.Check.run(ctx, stdout)
	case g.Render.Stdout == alertingName:
		return g.Render.stdout(stdout)
	case g.Render.Stdout != "":
		raw, err := dashboards.Render(g.Render.Stdout)
		if err != nil {
			return fmt.Errorf("%w: %w", cli.ErrUsage, err)
		}
		_, err = stdout.Write(raw)
		return err
	case g.Render.Out == "":
		return fmt.Errorf("%w: render needs --out DIR or --stdout NAME", cli.ErrUsage)
	}
	return render(g.Render.Out, g.Render.MountedAt, g.Render.alertFlags, stderr)
}

func render(out, mountedAt string, alerts alertFlags, stderr io.Writer) error {
	if mountedAt == "" {
		abs, err := filepath.Abs(out)
		if err != nil {
			return fmt.Errorf("find folder %s: %w", out, err)
		}
		mountedAt = abs
	}
	files, err := dashboards.Files(mountedAt)
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	alertFile, variables, err := alerts.render()
	if err != nil {
		return err
	}
	files = append(files, alertFile)
	if err := dashboards.Write(out, files); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%d files below %s. Start Grafana with GF_PATHS_PROVISIONING=%s/provisioning and these variables:\n", len(files), out, mountedAt)
	if err := listVariables(stderr); err != nil {
		return err
	}
	for _, name := range variables {
		fmt.Fprintf(stderr, "  %-20s of %s\n", name, alerts.Subscribers)
	}
	return nil
}

func list(stdout io.Writer, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(map[string]any{"dashboards": dashboards.Names(), "variables": dashboards.Variables()})
	}
	for _, name := range dashboards.Names() {
		fmt.Fprintln(stdout, name)
	}
	fmt.Fprintln(stdout, "\nGrafana's environment must hold:")
	return listVariables(stdout)
}

func listVariables(out io.Writer) error {
	for _, v := range dashboards.Variables() {
		if _, err := fmt.Fprintf(out, "  %-20s %s (such as %q)\n", v.Name, v.Help, v.Example); err != nil {
			return err
		}
	}
	return nil
}
