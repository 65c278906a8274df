package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// A shell that was told "complete -C x x" asks the program itself what could come next.
func TestShellCompletion(t *testing.T) {
	t.Setenv("COMP_LINE", "x ver")
	t.Setenv("COMP_POINT", "5")
	var g struct {
		Verify struct{} `cmd:""`
		Vacuum struct{} `cmd:""`
	}
	var out bytes.Buffer
	_, done, err := Parse(&g, "x", "", nil, &out, io.Discard)
	if !done || err != nil || strings.TrimSpace(out.String()) != "verify" {
		t.Errorf("completes to %q, done %v, %v", out.String(), done, err)
	}
}
