// Package policies holds what each service may do in the bucket, one AWS IAM policy a file, and puts
// them together for servers that know bucket policies alone, such as versitygw.
package policies

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

//go:embed *.json
var files embed.FS

// bucketWide is the file whose statements hold for everybody.
const bucketWide = "bucket"

// Place is the lake that policies are about.
type Place struct {
	Bucket string
	Prefix string // without slashes around it; empty for a lake at the root of its bucket
	// Maintenance is the ARN of the one that may delete; for bucket.json alone.
	Maintenance string
}

// Statement is one statement of an IAM policy, as JSON has it.
type Statement map[string]any

// Policy is an IAM policy document.
type Policy struct {
	Version   string
	Statement []Statement
}

// Services returns the names that have a policy of their own.
func Services() []string {
	return []string{"harvester", "analyzer", "pricer", "projector", "reader", "maintain"}
}

// Of returns the identity policy of a service, or for "bucket" the bucket policy that holds for all.
func Of(name string, at Place) (Policy, error) {
	if name != bucketWide && !slices.Contains(Services(), name) {
		return Policy{}, fmt.Errorf("no policy %q: there are %s and %s", name, strings.Join(Services(), ", "), bucketWide)
	}
	text, err := files.ReadFile(name + ".json")
	if err != nil {
		return Policy{}, fmt.Errorf("read policy: %w", err)
	}
	prefix := "LAKE_PREFIX"
	if at.Prefix == "" {
		prefix = "LAKE_PREFIX/"
	}
	named := strings.NewReplacer("LAKE_BUCKET", at.Bucket, prefix, at.Prefix, "LAKE_MAINTENANCE_ARN", at.Maintenance).Replace(string(text))
	var p Policy
	if err := json.Unmarshal([]byte(named), &p); err != nil {
		return Policy{}, fmt.Errorf("read policy %s: %w", name, err)
	}
	return p, nil
}

// Together returns all policies of the services as one bucket policy that names each service as a
// principal, with what versitygw 1.8.0 knows of the bucket's own: that nobody deletes the log. It is
// for servers whose users are called like the services.
func Together(at Place) (Policy, error) {
	all := Policy{Version: "2012-10-17"}
	for _, service := range Services() {
		p, err := Of(service, at)
		if err != nil {
			return Policy{}, err
		}
		for _, s := range p.Statement {
			s["Sid"] = fmt.Sprint(service, s["Sid"])
			s["Principal"] = map[string]any{"AWS": service}
			all.Statement = append(all.Statement, s)
		}
	}
	p, err := Of(bucketWide, at)
	if err != nil {
		return Policy{}, err
	}
	for _, s := range p.Statement {
		if s["Sid"] == "NobodyDeletesTheLog" {
			all.Statement = append(all.Statement, s)
		}
	}
	return all, nil
}
