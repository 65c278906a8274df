package openai

import (
	"embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/analysis"
)

// DefaultPrompt is the version that is used unless another is named.
const DefaultPrompt = "v1"

// Prompt is what the model is told before each post. It is known by its version, which is a part of
// every prediction's identity: a changed text needs a new one.
type Prompt struct {
	Version string
	// Hash is over the text.
	Hash string
	text string
}

//go:embed prompts/*.md
var prompts embed.FS

// LoadPrompt returns a built-in prompt by its version, such as v1, or reads one from a .md file. The
// version of a file is its name with the text's hash behind it, so that an edit cannot pass for the
// same prompt.
func LoadPrompt(name string) (Prompt, error) {
	var text []byte
	var err error
	file := strings.HasSuffix(name, ".md")
	if file {
		text, err = os.ReadFile(name)
	} else {
		text, err = prompts.ReadFile("prompts/" + name + ".md")
	}
	if err != nil {
		return Prompt{}, fmt.Errorf("load prompt %q: want a built-in version (%s) or a .md file: %w", name, strings.Join(Versions(), ", "), err)
	}
	if len(strings.TrimSpace(string(text))) == 0 || !utf8.Valid(text) {
		return Prompt{}, fmt.Errorf("load prompt %q: the file is empty or not UTF-8", name)
	}
	p := Prompt{Version: name, Hash: event.Hash(string(text)), text: string(text)}
	if file {
		p.Version = strings.TrimSuffix(filepath.Base(name), ".md") + "-" + p.Hash[:8]
	}
	return p, nil
}

// Versions returns the versions of the built-in prompts.
func Versions() []string {
	entries, err := prompts.ReadDir("prompts")
	if err != nil {
		return nil // it is embedded
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".md"))
	}
	return names
}

// maxText is how many bytes of a post the model is shown: several times the longest post, so that no
// text can cost any amount.
const maxText = 32 << 10

// userMessage delimits the post. The marker is the first of POST-0, POST-1, … that the text does not
// contain: so no text can end its own delimiters, and of two posts nothing else in the request
// differs than their times and texts.
func userMessage(in analysis.Input) string {
	text := strings.ToValidUTF8(in.Text, "\uFFFD")
	for len(text) > maxText || !utf8.ValidString(text) {
		text = text[:min(len(text)-1, maxText)]
	}
	marker := "POST-0"
	for i := 1; strings.Contains(text, marker); i++ {
		marker = "POST-" + strconv.Itoa(i)
	}
	return "Published at " + in.PublishedAt.UTC().Format(time.RFC3339) + ".\n" +
		"BEGIN " + marker + "\n" + text + "\nEND " + marker
}

// answerSchema is domain.md 2.3 in the subset of JSON Schema that strict structured output takes:
// every field is required and no other is allowed. The bounds of numbers and lengths are not in that
// subset; ParseAnswer checks them.
func answerSchema() json.RawMessage {
	return json.RawMessage(`{"type":"object","additionalProperties":false,"required":["assets","confidence","thesis"],"properties":{` +
		`"assets":{"type":"array","items":{"type":"object","additionalProperties":false,"required":["symbol","sentiment","rationale"],"properties":{` +
		`"symbol":{"type":"string"},"sentiment":{"type":"string","enum":["bullish","bearish","neutral"]},"rationale":{"type":"string"}}}},` +
		`"confidence":{"type":"number"},"thesis":{"type":"string"}}}`)
}
