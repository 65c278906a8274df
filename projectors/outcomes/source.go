package outcomes

import (
	"cmp"
	"strings"

	"shitpost-alpha/lake/event"
)

// Classes of adjustment, the most useful first: splits are facts that we know, dividends are not.
const (
	adjusted = iota
	unadjusted
	dividend
)

func classOf(a event.Adjustment) int {
	switch a {
	case event.AdjustedSplit:
		return adjusted
	case event.AdjustedNone:
		return unadjusted
	}
	return dividend
}

// preference is the place of a source among others: the source order of the settings, then the
// adjustment class, the family, the rank in which files were given, the name (domain.md 3).
type preference struct {
	explicit, class, family int
	rank                    int32
	source                  string
}

func preferenceOf(b *Bar, class int, explicit []string) preference {
	family, _, _ := strings.Cut(b.Source, ":")
	p := preference{explicit: len(explicit), class: class, family: familyOrder(family), rank: b.Rank, source: b.Source}
	for i, name := range explicit {
		if name == b.Source || name == family {
			p.explicit = i
			break
		}
	}
	return p
}

// familyOrder puts sources that are not named in domain.md 3 last.
func familyOrder(family string) int {
	switch family {
	case "yahoo":
		return 0
	case "stooq":
		return 1
	case "file":
		return 2
	case "legacy":
		return 3
	case "simulator":
		return 4
	}
	return 5
}

func (p *preference) before(q *preference) bool {
	return cmp.Or(
		cmp.Compare(p.explicit, q.explicit),
		cmp.Compare(p.class, q.class),
		cmp.Compare(p.family, q.family),
		cmp.Compare(p.rank, q.rank),
		strings.Compare(p.source, q.source),
	) < 0
}
