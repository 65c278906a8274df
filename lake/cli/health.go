package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// ErrUnhealthy: the service that --health asked is not there or not well.
var ErrUnhealthy = errors.New("not healthy")

// HealthFlag is --health=ADDR: it asks the service that listens at the address for /healthz and ends
// the program, so that a container without a shell or curl can check itself.
type HealthFlag string

// AfterApply asks, once the command line is read. A missing host in the address is the loopback.
func (h HealthFlag) AfterApply(app *kong.Kong) error {
	host, port, err := net.SplitHostPort(string(h))
	if err != nil {
		return fmt.Errorf("--health: %w", err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := askHealth(ctx, "http://"+net.JoinHostPort(host, port)+"/healthz"); err != nil {
		return fmt.Errorf("%w: %w", ErrUnhealthy, err)
	}
	app.Exit(ExitOK)
	return nil
}

func askHealth(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500)) // what it says of itself, if anything
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	return nil
}
