package main

import (
	"encoding/json"
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
	Out       string `required:"" placeholder:"FILE" help:"users.json in the gateway's --iam-dir."`
	Harvester string `name:"harvester-secret" env:"S3_HARVESTER_SECRET" required:"" placeholder:"SECRET" help:"Secret of the user of that name; better set in the environment."`
	Analyzer  string `name:"analyzer-secret" env:"S3_ANALYZER_SECRET" required:"" placeholder:"SECRET" help:"The same."`
	Pricer    string `name:"pricer-secret" env:"S3_PRICER_SECRET" required:"" placeholder:"SECRET" help:"The same."`
	Projector string `name:"projector-secret" env:"S3_PROJECTOR_SECRET" required:"" placeholder:"SECRET" help:"The same."`
	Reader    string `name:"reader-secret" env:"S3_READER_SECRET" required:"" placeholder:"SECRET" help:"The same."`
	Maintain  string `name:"maintain-secret" env:"S3_MAINTAIN_SECRET" required:"" placeholder:"SECRET" help:"The same."`
}

// account is a user as versitygw's internal IAM keeps it (users.json, "accessAccounts").
type account struct {
	Access string `json:"access"`
	Secret string `json:"secret"`
	Role   string `json:"role"`
}

func (c *policiesAccountsCmd) Run(e *environment) error {
	accounts := map[string]account{}
	for service, secret := range map[string]string{"harvester": c.Harvester, "analyzer": c.Analyzer, "pricer": c.Pricer,
		"projector": c.Projector, "reader": c.Reader, "maintain": c.Maintain} {
		accounts[service] = account{Access: service, Secret: secret, Role: "user"}
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
