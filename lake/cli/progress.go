package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress draws how far long work has come: a bar on a terminal, a plain line every few seconds
// and at each stage's end elsewhere. It is safe for concurrent use; Report fits producers.Progress.
type Progress struct {
	mu    sync.Mutex
	out   io.Writer
	now   func() time.Time
	tty   bool
	bar   *progressbar.ProgressBar
	stage string
	shown time.Time
	done  bool
}

// NewProgress writes to out, as a bar when out is a terminal.
func NewProgress(out io.Writer, now func() time.Time) *Progress {
	f, ok := out.(*os.File)
	return &Progress{out: out, now: now, tty: ok && term.IsTerminal(int(f.Fd()))}
}

// Report says that done of total units of stage are finished; total 0 means it is not known.
// A report with done == total ends the stage.
func (p *Progress) Report(stage string, done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if stage != p.stage {
		p.stage, p.done, p.shown = stage, false, p.now()
		if p.tty {
			p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(p.out), progressbar.OptionSetDescription(stage),
				progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetWidth(30),
				progressbar.OptionThrottle(80*time.Millisecond), progressbar.OptionOnCompletion(func() { fmt.Fprintln(p.out) }))
		}
	}
	if p.done {
		return
	}
	finished := total > 0 && done >= total
	p.done = finished
	if p.tty {
		p.bar.ChangeMax(max(total, done+1)) // a bar that is full ends
		if finished {
			p.bar.ChangeMax(total)
		}
		_ = p.bar.Set(done)
		return
	}
	if finished || p.now().Sub(p.shown) >= 3*time.Second {
		p.shown = p.now()
		if total == 0 {
			fmt.Fprintf(p.out, "%s: %d\n", stage, done)
			return
		}
		fmt.Fprintf(p.out, "%s: %d of %d\n", stage, done, total)
	}
}
