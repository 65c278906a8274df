package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// few is the number of rows under which a figure says next to nothing (domain.md 5).
const few = 30

// Print writes the summary for a reader.
func (s *Summary) Print(w io.Writer) {
	if s.Synthetic {
		fmt.Fprintln(w, "SYNTHETIC: posts were made up by the simulator. The figures show that it works, nothing else.")
	}
	p := s.Posts
	fmt.Fprintf(w, "\nPosts      %d seen, %d in scope (since %s): %d completed, %d bypassed, %d failed, %d waiting\n",
		p.Seen, p.InScope, p.Since.Format("2006-01-02"), p.Completed, p.Bypassed, p.Failed, p.Waiting)
	fmt.Fprintf(w, "Bypassed   %s\n", list(p.BypassReasons))
	fmt.Fprintf(w, "Calls      %s\n", list(s.Calls))
	fmt.Fprintf(w, "Outcomes   %s\n", list(s.Outcomes))
	fmt.Fprintf(w, "Prices     %d bars of %d symbols\n", s.Bars, s.Symbols)
	if s.Rejected+s.DeadLetters > 0 {
		fmt.Fprintf(w, "Refused    %d records rejected with their reason (readmodel.rejected), %d dead letters\n", s.Rejected, s.DeadLetters)
	}
	fmt.Fprint(w, "\nAccuracy, bought at the next open (live: called before it; retrospective: after, nobody could have acted on it)\n\n")
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "origin\tsessions\tn\taccuracy\t95 % interval\talways bullish\trandom mix\tavg return\tavg abnormal\ttotal P&L\t")
	for _, a := range s.Accuracy {
		note := ""
		if a.N < few {
			note = fmt.Sprintf(" n < %d", few)
		}
		abnormal := "-"
		if a.AvgAbnormal != nil {
			abnormal = fmt.Sprintf("%+.2f %%", *a.AvgAbnormal)
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%.1f %%%s\t%.1f–%.1f %%\t%.1f %%\t%.1f %%\t%+.2f %%\t%s\t%s\t\n", a.Origin, a.Horizon, a.N, a.AccuracyPct, note,
			a.WilsonLowPct, a.WilsonHighPct, a.AlwaysBullish, a.RandomMix, a.AvgReturnPct, abnormal, dollars(a.TotalPnL))
	}
	t.Flush()
	if len(s.Accuracy) == 0 {
		fmt.Fprintln(w, "  no outcome is evaluated yet")
	}
	printCalls(w, fmt.Sprintf("Best calls after %d sessions, $1,000 each", s.BestHorizon), s.Best)
	printCalls(w, fmt.Sprintf("Worst calls after %d sessions", s.BestHorizon), s.Worst)
}

func printCalls(w io.Writer, title string, calls []CallOutcome) {
	if len(calls) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n\n", title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range calls {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%.2f\t%+.2f %%\t%s\t%s\n", c.PublishedAt.UTC().Format("2006-01-02 15:04"), c.Symbol, c.Sentiment,
			c.Confidence, c.ReturnPct, dollars(c.PnL), firstWords(c.Text, 60))
	}
	t.Flush()
}

// firstWords cuts a text to at most n runes, at a space where there is one, on one line.
func firstWords(text string, n int) string {
	r := []rune(strings.Join(strings.Fields(text), " "))
	if len(r) <= n {
		return string(r)
	}
	cut := string(r[:n])
	if i := strings.LastIndexByte(cut, ' '); i > n/2 {
		cut = cut[:i]
	}
	return cut + "…"
}

func dollars(v float64) string {
	sign := "+"
	if v < 0 {
		sign, v = "-", -v
	}
	return fmt.Sprintf("%s$%.2f", sign, v)
}

// list writes counts, the largest first.
func list(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	parts := make([]string, 0, len(names))
	for _, n := range names {
		parts = append(parts, fmt.Sprintf("%d %s", counts[n], strings.ToLower(strings.ReplaceAll(n, "_", " "))))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}
