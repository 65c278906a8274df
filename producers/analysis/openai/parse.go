package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"shitpost-alpha/lake/event"
	"shitpost-alpha/producers/analysis"
)

// What an answer may hold. The schema has no lengths; these are far above what is asked for.
const (
	maxAnswer = 256 << 10 // bytes, whole
	maxProse  = 8 << 10   // bytes of a rationale or thesis
)

// ParseAnswer reads an answer that is exactly what the schema of domain.md 2.3 says: one JSON object
// with each of its fields once, under its exact name and of its type, and nothing before or behind
// it. Everything else is an error: no part of a wrong answer is used, and nothing is guessed.
func ParseAnswer(content []byte) (analysis.Answer, error) {
	var a analysis.Answer
	switch {
	case len(content) > maxAnswer:
		return a, fmt.Errorf("the answer has %d bytes, at most %d are taken", len(content), maxAnswer)
	case !utf8.Valid(content):
		return a, errors.New("the answer is not UTF-8")
	case len(bytes.TrimSpace(content)) == 0:
		return a, errors.New("the answer is empty")
	}
	d := decoder{json.NewDecoder(bytes.NewReader(content)), bytes.ContainsRune(content, utf8.RuneError)}
	d.UseNumber()
	err := d.object(map[string]func() error{
		"assets":     func() (err error) { a.Assets, err = d.assets(); return err },
		"confidence": func() (err error) { a.Confidence, err = d.confidence(); return err },
		"thesis":     func() (err error) { a.Thesis, err = d.text(maxProse); return err },
	})
	if err != nil {
		return analysis.Answer{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return analysis.Answer{}, errors.New("something follows the JSON object")
	}
	return a, nil
}

// decoder reads token by token: encoding/json by itself takes missing, repeated and misspelt fields,
// and null for anything.
type decoder struct {
	*json.Decoder
	// replaced: the answer itself holds U+FFFD, so that one in a string need not come from an escape
	// that is half a character.
	replaced bool
}

// object reads an object that has exactly these fields.
func (d decoder) object(fields map[string]func() error) error {
	if err := d.delim('{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return broken(err)
		}
		name, _ := token.(string) // the keys of an object are strings
		read, ok := fields[name]
		if !ok || seen[name] {
			return fmt.Errorf("field %.40q is not in the schema or stands twice", name)
		}
		seen[name] = true
		if err := read(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for name := range fields {
		if !seen[name] {
			return fmt.Errorf("field %q is missing", name)
		}
	}
	return d.delim('}')
}

func (d decoder) assets() ([]event.Asset, error) {
	if err := d.delim('['); err != nil {
		return nil, err
	}
	var assets []event.Asset
	for d.More() {
		if len(assets) == analysis.MaxAssets {
			return nil, fmt.Errorf("more than %d", analysis.MaxAssets)
		}
		var a event.Asset
		err := d.object(map[string]func() error{
			"symbol":    func() (err error) { a.Symbol, err = d.text(maxProse); return err },
			"sentiment": func() (err error) { a.Sentiment, err = d.sentiment(); return err },
			"rationale": func() (err error) { a.Rationale, err = d.text(maxProse); return err },
		})
		if err != nil {
			return nil, err
		}
		assets = append(assets, a)
	}
	return assets, d.delim(']')
}

func (d decoder) sentiment() (string, error) {
	s, err := d.text(maxProse)
	if err != nil {
		return "", err
	}
	switch s {
	case event.Bullish, event.Bearish, event.Neutral:
		return s, nil
	}
	return "", fmt.Errorf("%.40q is none of bullish, bearish, neutral", s)
}

func (d decoder) confidence() (float64, error) {
	token, err := d.Token()
	if err != nil {
		return 0, broken(err)
	}
	n, ok := token.(json.Number)
	if !ok {
		return 0, fmt.Errorf("want a number, not %s", typeOf(token))
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > 1 {
		return 0, fmt.Errorf("%.40s is not in 0..1", n)
	}
	return math.Abs(f), nil // -0 is 0
}

// text reads a string that a database column and a terminal can hold: the escapes of JSON can make
// zero bytes and halves of characters.
func (d decoder) text(most int) (string, error) {
	token, err := d.Token()
	if err != nil {
		return "", broken(err)
	}
	s, ok := token.(string)
	switch {
	case !ok:
		return "", fmt.Errorf("want a string, not %s", typeOf(token))
	case len(s) > most:
		return "", fmt.Errorf("%d bytes, at most %d are taken", len(s), most)
	case strings.ContainsRune(s, 0):
		return "", errors.New("it holds a zero byte")
	case !d.replaced && strings.ContainsRune(s, utf8.RuneError):
		return "", errors.New("it holds a character that is none")
	}
	return s, nil
}

func (d decoder) delim(want json.Delim) error {
	token, err := d.Token()
	if err != nil {
		return broken(err)
	}
	if token != want {
		return fmt.Errorf("want %s, not %s", want, typeOf(token))
	}
	return nil
}

func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON is cut off")
	}
	return fmt.Errorf("no JSON: %w", err)
}

func typeOf(token json.Token) string {
	switch t := token.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case json.Delim:
		return t.String()
	}
	return "something else"
}
