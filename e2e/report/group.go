package report

import (
	"fmt"
	"slices"
	"strings"
)

// sources are the values of From, in the way of a settlement.
var sources = []string{"client", "producer", "broker", "consumer", "database"}

// group is the cases of one source; all the rows of a run are a group, too.
type group struct {
	From string
	Rows []Row
}

// grouped sorts rows by source. A source of another name comes last: no row is left out.
func grouped(rows []Row) []group {
	var groups []group
	for _, from := range sources {
		groups = append(groups, group{From: from})
	}

	for _, row := range rows {
		i := slices.IndexFunc(groups, func(g group) bool { return g.From == row.From })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{From: row.From})
		}
		groups[i].Rows = append(groups[i].Rows, row)
	}

	return slices.DeleteFunc(groups, func(g group) bool { return len(g.Rows) == 0 })
}

// sums are the numbers of a group, added up.
type sums struct {
	cases, fired, settlements int64
	repeats                   Repeats
	absorbed                  int64    // of the repeats, those of cases that are OK
	failed                    []string // names of the cases that are not OK
}

func (g group) sums() sums {
	var s sums
	for _, r := range g.Rows {
		s.cases++
		s.fired += r.Fired
		s.settlements += r.Settlements
		s.repeats = s.repeats.plus(r.Repeats)
		if r.OK() {
			s.absorbed += r.Repeats.sum()
		} else {
			s.failed = append(s.failed, r.Case)
		}
	}
	return s
}

// answer says how many repeats came from here, whether each was absorbed, and what failed.
func (s sums) answer() string {
	if len(s.failed) == 0 {
		return s.repeated()
	}
	return s.repeated() + "; failed: " + strings.Join(s.failed, ", ")
}

// repeated says how many repeats were caused and absorbed. Those of a failed case do not count as
// absorbed: nothing shows which of them were.
func (s sums) repeated() string {
	all := s.repeats.sum()
	if all == 0 {
		return "no repeats"
	}
	caused := fmt.Sprintf("repeats caused %d (calls %d, stored %d, fetched %d), ",
		all, s.repeats.Calls, s.repeats.Stored, s.repeats.Fetched)
	if s.absorbed == all {
		return caused + "each absorbed"
	}
	return caused + fmt.Sprintf("absorbed %d, not proven %d", s.absorbed, all-s.absorbed)
}

func (s sums) ok() bool { return s.cases > 0 && len(s.failed) == 0 }

func (s sums) total() string {
	return fmt.Sprintf("cases %d, faults fired %d, settlements %d, %s",
		s.cases, s.fired, s.settlements, s.repeated())
}

func (s sums) verdict() string {
	switch {
	case s.cases == 0:
		return "VERDICT: FAIL, no case was run."
	case len(s.failed) > 0:
		return fmt.Sprintf("VERDICT: FAIL, %d of %d cases: %s",
			len(s.failed), s.cases, strings.Join(s.failed, ", "))
	}
	return "VERDICT: nothing lost, nothing doubled. Every fault fired, and every invariant held."
}
