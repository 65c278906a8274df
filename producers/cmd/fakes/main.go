// Command fakes serves the five services that the producers ask, for development and soaks: package
// fakes has the addresses, and how to have it misbehave.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/alecthomas/kong"

	"shitpost-alpha/lake/cli"
	"shitpost-alpha/producers/fakes"
)

type grammar struct {
	Listen  string   `env:"LISTEN" default:"127.0.0.1:9300" help:"Address to serve at."`
	Posts   []string `sep:"none" placeholder:"FILE" help:"Posts as a JSON array or JSON lines; several may be named. Default: made up."`
	MadeUp  int      `default:"2000" help:"How many posts to make up, 30 minutes apart up to now."`
	Prices  []string `sep:"none" placeholder:"FILE" help:"CSV date,ticker,open,high,low,close,adj_close,volume."`
	Symbols []string `default:"SPY,DJT,TSLA,AAPL,NVDA,XLE,GLD,BTC-USD" help:"Symbols to make up where no file has them."`
	Seed    uint64   `default:"1" help:"Seed of everything that is drawn."`
	Faults  float64  `help:"Probability of a misbehaviour per request, of each common kind: 0..1."`

	Version kong.VersionFlag `help:"Print the version."`
}

const description = `Serves ScrapeCreators, Truth Social, an archive, OpenAI, Yahoo and Stooq from files and a seed.

Examples:

  fakes --listen 127.0.0.1:9300 --faults 0.02
  SCRAPECREATORS_BASE_URL=http://127.0.0.1:9300/v1 SCRAPECREATORS_API_KEY=any harvester --source scrapecreators --once
  curl -X POST '127.0.0.1:9300/_control/fault?endpoint=scrapecreators&kind=limited&retry_after=3&times=2'
  curl -X DELETE 127.0.0.1:9300/_control/fault
  curl 127.0.0.1:9300/_control/calls`

func main() { cli.Main("fakes", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var g grammar
	if _, done, err := cli.Parse(&g, "fakes", description, args, stdout, stderr); done || err != nil {
		return err
	}
	if g.Faults < 0 || g.Faults > 1 || g.MadeUp < 0 {
		return fmt.Errorf("%w: --faults must be in 0..1, --made-up 0 or more", cli.ErrUsage)
	}
	s, err := fakes.New(fakes.Options{Seed: g.Seed, Now: time.Now, Posts: g.Posts, MadeUp: g.MadeUp, Prices: g.Prices, Symbols: g.Symbols})
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	if g.Faults > 0 {
		for _, e := range fakes.Endpoints() {
			s.Fault(e, fakes.Common(g.Faults)...)
		}
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", g.Listen)
	if err != nil {
		return fmt.Errorf("listen at %s: %w", g.Listen, err)
	}
	fmt.Fprintf(stdout, "serving at http://%s\n", listener.Addr())
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // whoever reads is cut off
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", g.Listen, err)
	}
	return nil
}
