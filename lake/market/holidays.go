package market

import (
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/aa"
	"github.com/rickar/cal/v2/us"

	"shitpost-alpha/lake/event"
)

// closures returns the weekdays on which the exchange is closed all day, by the exchange's rule 7.2:
// a holiday on a Saturday is kept on the Friday before and one on a Sunday on the Monday after, except
// that New Year's Day on a Saturday is not kept at all, because the Friday before ends the year.
func closures(firstYear, lastYear int) map[event.Date]bool {
	holidays := []*cal.Holiday{
		us.NewYear.Clone(&cal.Holiday{Observed: []cal.AltDay{{Day: time.Sunday, Offset: 1}}}),
		us.MlkDay,
		us.PresidentsDay,
		aa.GoodFriday,
		us.MemorialDay,
		us.Juneteenth.Clone(&cal.Holiday{StartYear: 2022}), // a federal holiday since 2021, the exchange's since 2022
		us.IndependenceDay,
		us.LaborDay,
		us.ThanksgivingDay,
		us.ChristmasDay,
	}
	closed := map[event.Date]bool{
		event.NewDate(2025, time.January, 9): true, // day of mourning for President Carter
	}
	for year := firstYear; year <= lastYear; year++ {
		for _, h := range holidays {
			_, observed := h.Calc(year)
			closed[dayOf(observed)] = true
		}
	}
	return closed
}

// earlyCloses returns the days on which a session, if there is one, ends at 13:00 New York: July 3,
// the day after Thanksgiving and Christmas Eve. Where July 3 or Christmas Eve is a Friday it is the
// holiday itself, which closures knows.
func earlyCloses(firstYear, lastYear int) map[event.Date]bool {
	early := map[event.Date]bool{}
	for year := firstYear; year <= lastYear; year++ {
		early[event.NewDate(year, time.July, 3)] = true
		early[event.NewDate(year, time.December, 24)] = true
		_, after := us.DayAfterThanksgivingDay.Calc(year)
		early[dayOf(after)] = true
	}
	return early
}

// dayOf returns the day of a midnight that cal counts in the machine's zone. In some zones that
// midnight does not exist on the day clocks change and becomes 23:00 or 01:00: noon is safe.
func dayOf(midnight time.Time) event.Date {
	return event.DateOf(midnight.Add(12 * time.Hour))
}
