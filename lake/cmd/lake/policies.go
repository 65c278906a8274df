package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"shitpost-alpha/docs/policies"
	"shitpost-alpha/lake/cli"
	"shitpost-alpha/lake/objects/s3"
)

// policiesCmd is about who may do what in the lake's bucket.
type policiesCmd struct {
	Show     policiesShowCmd     `cmd:"" help:"Print a service's IAM policy, or that of the bucket, for the lake's bucket and prefix."`
	Put      policiesPutCmd      `cmd:"" help:"Set all of them as the policy of the lake's bucket, the services as its users: for versitygw, not for AWS."`
	Accounts policiesAccountsCmd `cmd:"" help:"Write the file of users that versitygw --iam-dir reads, with the secrets of the environment."`
}

// place splits the lake's URL.
func (e *environment) place() (policies.Place, error) {
	rest, ok := strings.CutPrefix(e.url, "s3://")
	if !ok {
		return policies.Place{}, fmt.Errorf("%w: policies are about a bucket, the lake is %s: set --lake to s3://bucket/prefix", cli.ErrUsage, e.url)
	}
	bucket, prefix, _ := strings.Cut(rest, "/")
	return policies.Place{Bucket: bucket, Prefix: strings.Trim(prefix, "/")}, nil
}

type policiesShowCmd struct {
	Name        string `arg:"" help:"harvester, analyzer, pricer, projector, reader, maintain or bucket."`
	Maintenance string `placeholder:"ARN" default:"arn:aws:iam::*:role/lake-maintain" help:"Who alone may delete, for bucket."`
}

func (c *policiesShowCmd) Run(e *environment) error {
	at, err := e.place()
	if err != nil {
		return err
	}
	at.Maintenance = c.Maintenance
	p, err := policies.Of(c.Name, at)
	if err != nil {
		return fmt.Errorf("%w: %w", cli.ErrUsage, err)
	}
	enc := json.NewEncoder(e.stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(p)
}

type policiesPutCmd struct {
	Create bool `help:"Make the bucket if it is not there."`
	Off    bool `env:"LAKE_POLICIES_OFF" help:"Do nothing: the bucket's rights are looked after elsewhere."`
}

func (c *policiesPutCmd) Run(e *environment) error {
	at, err := e.place()
	if err != nil {
		return err
	}
	if c.Off {
		_, err := fmt.Fprintf(e.stdout, "policy of bucket %s left as it is\n", at.Bucket)
		return err
	}
	p, err := policies.Together(at)
	if err != nil {
		return err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	store, err := s3.Open(e.ctx, at.Bucket, at.Prefix)
	if err != nil {
		return err
	}
	if err := store.SetPolicy(e.ctx, string(text), c.Create); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "policy of bucket %s set for %s\n", at.Bucket, strings.Join(policies.Services(), ", "))
	return err
}

type policiesAccountsCmd struct {
	Out string `required:"" placeholder:"FILE" help:"users.json in the gateway's --iam-dir."`
}

// account is a user as versitygw's internal IAM keeps it (users.json, "accessAccounts").
type account struct {
	Access string `json:"access"`
	Secret string `json:"secret"`
	Role   string `json:"role"`
}

// Run takes key and secret of a service from S3_<SERVICE>_KEY and S3_<SERVICE>_SECRET.
func (c *policiesAccountsCmd) Run(e *environment) error {
	accounts := map[string]account{}
	var missing error
	for _, service := range policies.Services() {
		name := "S3_" + strings.ToUpper(service) + "_SECRET"
		secret := os.Getenv(name)
		if secret == "" {
			missing = errors.Join(missing, fmt.Errorf("%w: %s is not set", cli.ErrUsage, name))
		}
		accounts[service] = account{Access: service, Secret: secret, Role: "user"}
	}
	if missing != nil {
		return missing
	}
	text, err := json.Marshal(map[string]any{"accessAccounts": accounts})
	if err != nil {
		return err
	}
	// Renamed into place: a gateway that starts meanwhile reads all users or none.
	part := filepath.Join(filepath.Dir(c.Out), ".users.part")
	if err := os.WriteFile(part, text, 0o600); err != nil {
		return fmt.Errorf("write accounts: %w", err)
	}
	if err := os.Rename(part, c.Out); err != nil {
		return fmt.Errorf("write accounts: %w", err)
	}
	_, err = fmt.Fprintf(e.stdout, "%d users written to %s\n", len(accounts), c.Out)
	return err
}
