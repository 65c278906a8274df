package projectors

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"shitpost-alpha/projectors/outcomes"
)

// Version is the version of what the rows mean. It is raised when a function that derives them changes:
// then the read model is rebuilt, and projectors of a lower version refuse to touch it.
const Version = 2

// Settings are the choices that the read model follows from beside the events. They are stored in the
// database; a change is a rebuild.
type Settings struct {
	// Band is how far a return must go to count as a move, in percentage points.
	Band float64 `json:"band_pct"`
	// Benchmark is the symbol that abnormal returns are measured against.
	Benchmark string `json:"benchmark"`
	// SourceOrder names price sources or families that come before the default order, best first.
	SourceOrder []string `json:"source_order"`
	// PrimaryAnalyzer is analyzer, analyzer/provider or analyzer/provider/model, the configuration that
	// headlines show; empty means every one.
	PrimaryAnalyzer string `json:"primary_analyzer"`
}

// DefaultSettings returns a band of 0.5 percentage points, SPY, no source order and no primary analyzer.
func DefaultSettings() Settings {
	d := outcomes.DefaultSettings()
	return Settings{Band: d.Band, Benchmark: d.Benchmark}
}

// Overrides are the settings that somebody asks for; nil leaves what is stored, or the default.
type Overrides struct {
	Band            *float64
	Benchmark       *string
	SourceOrder     *[]string
	PrimaryAnalyzer *string
}

func (o Overrides) over(s Settings) Settings {
	if o.Band != nil {
		s.Band = *o.Band
	}
	if o.Benchmark != nil {
		s.Benchmark = *o.Benchmark
	}
	if o.SourceOrder != nil {
		s.SourceOrder = *o.SourceOrder
	}
	if o.PrimaryAnalyzer != nil {
		s.PrimaryAnalyzer = *o.PrimaryAnalyzer
	}
	return s
}

// Check refuses settings that nothing can be computed with. Its errors wrap ErrInvalidSettings.
func (s Settings) Check() error {
	if err := s.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidSettings, err)
	}
	return nil
}

func (s Settings) check() error {
	switch {
	case math.IsNaN(s.Band) || s.Band < 0 || s.Band > 100:
		return fmt.Errorf("band %v: want percentage points from 0 to 100", s.Band)
	case s.Benchmark == "" || s.Benchmark != strings.TrimSpace(s.Benchmark):
		return fmt.Errorf("benchmark %q: want a symbol such as SPY", s.Benchmark)
	case strings.HasPrefix(s.PrimaryAnalyzer, "/"):
		return fmt.Errorf("primary analyzer %q: want analyzer, analyzer/provider or analyzer/provider/model", s.PrimaryAnalyzer)
	}
	for _, name := range s.SourceOrder {
		if name == "" {
			return errors.New("source order: a source has no name")
		}
	}
	return nil
}

// differences says in which settings want differs from live, "" when in none.
func differences(live, want Settings) string {
	var d []string
	if live.Band != want.Band {
		d = append(d, fmt.Sprintf("band %v (live: %v)", want.Band, live.Band))
	}
	if live.Benchmark != want.Benchmark {
		d = append(d, fmt.Sprintf("benchmark %s (live: %s)", want.Benchmark, live.Benchmark))
	}
	if !slices.Equal(live.SourceOrder, want.SourceOrder) {
		d = append(d, fmt.Sprintf("source order %v (live: %v)", want.SourceOrder, live.SourceOrder))
	}
	if live.PrimaryAnalyzer != want.PrimaryAnalyzer {
		d = append(d, fmt.Sprintf("primary analyzer %q (live: %q)", want.PrimaryAnalyzer, live.PrimaryAnalyzer))
	}
	return strings.Join(d, ", ")
}
