package report

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tableViolationsMax is how many violations of a case the text shows; the HTML shows more.
const tableViolationsMax = 20

// Table writes the rows as plain text: a line for each case, grouped by where its repeats come
// from, a verdict, and then the violations of every case that failed.
func Table(out io.Writer, rows []Row) {
	groups := grouped(rows)
	widths := columnWidths(rows)
	fmt.Fprintln(out, line(header(), widths))
	for _, g := range groups {
		fmt.Fprintln(out, g.From)
		for _, r := range g.Rows {
			fmt.Fprintln(out, line(cells(r), widths))
		}
		fmt.Fprintf(out, "  = %s\n", g.sums().answer())
	}

	all := group{Rows: rows}.sums()
	fmt.Fprintf(out, "\n%s\n%s\ntotal: %s\n%s\n", repeatsMean, marksMean(), all.total(), all.verdict())

	for _, g := range groups {
		for _, r := range g.Rows {
			if !r.OK() {
				failed(out, r)
			}
		}
	}
}

// failed writes why a case is not OK, and how to see it again.
func failed(out io.Writer, r Row) {
	fmt.Fprintf(out, "\nFAIL %s, seed %d; again: %s\n", r.Case, r.Seed, r.again())
	if why := r.why(); why != "" {
		fmt.Fprintf(out, "  %s\n", printable(why))
	}

	for i, v := range r.Violations {
		if i == tableViolationsMax {
			fmt.Fprintf(out, "  and %d more\n", len(r.Violations)-i)
			break
		}
		// The row names order and payment number.
		fmt.Fprintf(out, "  %s: %s\n     %s\n", v.Invariant, printable(v.What), printable(v.Row))
	}
}

func header() []string {
	columns := []string{"case", "fired", "settlements", "repeats seen", "recovered in"}
	for _, i := range invariants {
		columns = append(columns, string(i.Name))
	}
	return append(columns, "verdict")
}

func cells(r Row) []string {
	columns := []string{
		r.Case, fmt.Sprint(r.Fired), fmt.Sprint(r.Settlements), r.Repeats.String(), r.recovered(),
	}
	for _, i := range invariants {
		columns = append(columns, r.mark(i.Name))
	}
	return append(columns, r.verdict())
}

// columnWidths returns the width of each column, in runes. text/tabwriter would align each group by
// itself: the lines between the groups have no cells, and that ends its columns.
func columnWidths(rows []Row) []int {
	widths := make([]int, len(header()))
	widen := func(cells []string) {
		for i, cell := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}

	widen(header())
	for _, r := range rows {
		widen(cells(r))
	}
	return widths
}

// line puts numbers to the right and everything else to the left.
func line(cells []string, widths []int) string {
	var b strings.Builder
	for i, cell := range cells {
		if numbers := i >= 1 && i <= 4; numbers {
			fmt.Fprintf(&b, "  %*s", widths[i], cell)
		} else {
			fmt.Fprintf(&b, "  %-*s", widths[i], cell)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// printable keeps what a message or an error contains from moving the cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}
