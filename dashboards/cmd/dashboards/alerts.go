package main

import (
	"fmt"
	"io"

	"shitpost-alpha/dashboards"
	"shitpost-alpha/dashboards/alerting"
	"shitpost-alpha/lake/cli"
)

// alertingName is what --stdout calls the file of alert rules, contact points and policies.
const alertingName = "alerting"

type alertFlags struct {
	Subscribers string  `env:"SUBSCRIBERS_FILE" placeholder:"FILE" help:"Who is told what by Telegram, as docs/alerts.md says. None: no alerts, and Grafana's own notification policies stay."`
	DailyBudget float64 `env:"ANALYSIS_DAILY_BUDGET" default:"1.00" placeholder:"DOLLARS" help:"Budget that the analyzer has: an alert tells when it is spent."`
}

// render returns the provisioning file of the alerts, and the variables that Grafana's environment
// must hold for the subscribers.
func (f alertFlags) render() (dashboards.File, []string, error) {
	var subscribers []alerting.Subscriber
	if f.Subscribers != "" {
		var err error
		if subscribers, err = alerting.ReadSubscribers(f.Subscribers); err != nil {
			return dashboards.File{}, nil, fmt.Errorf("%w: %w", cli.ErrUsage, err)
		}
	}
	if !(f.DailyBudget > 0) {
		return dashboards.File{}, nil, fmt.Errorf("%w: --daily-budget %g: want dollars above 0", cli.ErrUsage, f.DailyBudget)
	}
	raw, err := alerting.Render(subscribers, alerting.Options{Folder: dashboards.FolderTitle, DailyBudget: f.DailyBudget})
	if err != nil {
		return dashboards.File{}, nil, err
	}
	return dashboards.File{Path: "provisioning/" + alerting.FileName, Data: raw}, alerting.Variables(subscribers), nil
}

// stdout writes the file alone.
func (f alertFlags) stdout(out io.Writer) error {
	file, _, err := f.render()
	if err != nil {
		return err
	}
	_, err = out.Write(file.Data)
	return err
}
