package main

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"golang.org/x/term"

	"shitpost-alpha/lake/cli"
)

//go:embed .env.example
var envExample string

// initCmd writes a first .env: every variable there is, commented, and those set that were asked for.
type initCmd struct {
	Out   string   `default:".env" placeholder:"FILE" help:"File to write."`
	Set   []string `placeholder:"NAME=VALUE" sep:"none" help:"Set this variable; may be repeated."`
	Yes   bool     `short:"y" help:"Ask nothing."`
	Force bool     `help:"Replace a file that is there."`
}

// question is what init asks; the answer becomes the value of a variable, an empty one leaves it.
type question struct {
	variable, text string
	secret         bool
}

func questions() []question {
	return []question{
		{"LAKE_URL", "Where shall the lake be? A folder, or s3://bucket/prefix [./data/lake]", false},
		{"DATABASE_URL", "Which Postgres? Empty: one of alpha's own", true},
		{"SCRAPECREATORS_API_KEY", "ScrapeCreators key for posts? Empty: posts are made up", true},
		{"OPENAI_API_KEY", "OpenAI key for predictions? Empty: the built-in rules, free", true},
		{"PRICE_SOURCE", "Prices from? yahoo,stooq for real ones. Empty: made up", false},
		{"TELEGRAM_BOT_TOKEN", "Telegram bot's token for alerts? Empty: none", true},
	}
}

// Run is called by the command line.
func (c *initCmd) Run(p *process) error {
	values := map[string]string{}
	for _, pair := range c.Set {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || !known(name) {
			return fmt.Errorf("%w: --set %s: want NAME=VALUE with a name of .env.example", cli.ErrUsage, name)
		}
		values[name] = value
	}
	if _, err := os.Stat(c.Out); err == nil && !c.Force {
		return fmt.Errorf("%w: %s is there already: --force replaces it", cli.ErrUsage, c.Out)
	}
	stdin := os.Stdin
	if !c.Yes && term.IsTerminal(int(stdin.Fd())) {
		if err := interview(stdin, p.stderr, values); err != nil {
			return err
		}
	}
	text, err := fill(envExample, values)
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	// It holds secrets, so nobody else may read it; written aside, so that a crash leaves no half of one.
	part := c.Out + ".part"
	if err := os.WriteFile(part, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", c.Out, err)
	}
	if err := os.Rename(part, c.Out); err != nil {
		return fmt.Errorf("write %s: %w", c.Out, err)
	}
	fmt.Fprintf(p.stdout, "%s written, %d variables set.\nNext: set -a; . ./%s; set +a; alpha doctor\n", c.Out, len(values), strings.TrimPrefix(c.Out, "./"))
	return nil
}

// interview asks for what is not set yet. What is typed for a secret is not shown.
func interview(in *os.File, out io.Writer, values map[string]string) error {
	lines := bufio.NewReader(in)
	for _, q := range questions() {
		if _, set := values[q.variable]; set || !known(q.variable) {
			continue
		}
		fmt.Fprintf(out, "%s: ", q.text)
		var answer string
		if q.secret {
			raw, err := term.ReadPassword(int(in.Fd()))
			fmt.Fprintln(out)
			if err != nil {
				return fmt.Errorf("read answer: %w", err)
			}
			answer = string(raw)
		} else {
			line, err := lines.ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("read answer: %w", err)
			}
			answer = line
		}
		if answer = strings.TrimSpace(answer); answer != "" {
			values[q.variable] = answer
		}
	}
	return nil
}

// known reports whether .env.example explains the variable.
func known(name string) bool {
	return regexp.MustCompile(`(?m)^#` + regexp.QuoteMeta(name) + `=`).MatchString(envExample)
}

// fill returns the example with the values set, each in its place and quoted for shell and Compose.
func fill(example string, values map[string]string) (string, error) {
	for name, value := range values {
		if strings.ContainsAny(value, "'\n\r") {
			return "", fmt.Errorf("%s: a quote or a line break cannot be written to a .env file", name)
		}
		line := regexp.MustCompile(`(?m)^#` + regexp.QuoteMeta(name) + `=.*$`)
		at := line.FindStringIndex(example)
		if at == nil {
			return "", fmt.Errorf("%s: no such variable", name)
		}
		example = example[:at[0]] + name + "='" + value + "'" + example[at[1]:]
	}
	return example, nil
}
