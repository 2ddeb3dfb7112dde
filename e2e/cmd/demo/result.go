package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"settlement/e2e/checker"
	"settlement/e2e/traffic"
	"settlement/shared/settlement"
)

// line is a row of the table: what was counted, the number, and the number expected.
type line struct {
	what      string
	got, want int64
	anyAbove0 bool // any number above 0 is right; how many is chance
}

func (l line) right() bool {
	if l.anyAbove0 {
		return l.got > 0
	}
	return l.got == l.want
}

// result is what was counted, and what the checker found.
type result struct {
	lines      []line
	violations []checker.Violation
}

func (p *plan) result(ctx context.Context) (result, error) {
	violations, err := p.check.Check(ctx)
	if err != nil {
		return result{}, err
	}
	lines, err := p.count(ctx)
	return result{lines: lines, violations: violations}, err
}

func (p *plan) count(ctx context.Context) ([]line, error) {
	delivered, err := traffic.Read(ctx, p.admin, settlement.TopicSettlement, settlement.GroupPayment)
	if err != nil {
		return nil, err
	}
	outcomes, err := p.outcomes(ctx)
	if err != nil {
		return nil, err
	}

	var decided, held int64
	for _, n := range outcomes {
		decided += n
	}
	for _, wallet := range p.wallets {
		a, err := p.api.Account(ctx, wallet)
		if err != nil {
			return nil, err
		}
		held += a.Balance.Minor
	}

	replayed, err := p.replayed(ctx)
	if err != nil {
		return nil, err
	}
	paidBack, err := p.paidBack(ctx)
	if err != nil {
		return nil, err
	}

	all, paid := instructions+p.meanwhile, richCustomers*ordersEach+poorPaid+collected+p.meanwhile
	const deposited = richCustomers*richDeposit + poorDeposit
	return []line{
		{what: "instructions accepted by order-service", got: int64(p.accepted), want: all},
		{
			what: "messages stored on topic settlement, repeats included", got: delivered.Stored,
			anyAbove0: true,
		},
		{
			what: "  of them repeats, absorbed without effect", got: delivered.Stored - decided,
			anyAbove0: true,
		},
		{what: "instructions decided by payment-service", got: decided, want: all},
		{what: "  settled", got: outcomes["paid"], want: paid},
		{what: "  declined", got: outcomes["declined"], want: ordersEach - poorPaid},
		{what: "  refunded", got: outcomes["refunded"], want: refunds + parts + cancelled + parked},
		{what: "cancelled while they were settling: paid, then refunded", got: paidBack, want: cancelled},
		{what: "parked, somebody told, replayed by an operator", got: replayed, want: parked},
		{
			what: "points of one who registers, pays and misbehaves: set 10, + 2, - 3", got: p.lastPoints(),
			want: 9,
		},
		{
			what: "records of the journal, in one sequence, that the auditor finds right", got: p.audited,
			want: all,
		},
		{
			what: "books: wallets hold, in fen", got: held,
			want: deposited - (paid-refunds-cancelled-parked)*orderMinor + parts*partMinor,
		},
	}, nil
}

// paidBack counts the cancelled orders that were paid and refunded in this sequence.
func (p *plan) paidBack(ctx context.Context) (n int64, err error) {
	for _, o := range p.changed {
		var outcomes string
		err := p.books.QueryRowContext(ctx,
			"SELECT GROUP_CONCAT(outcome ORDER BY seq) FROM payment_numbers WHERE order_id = ?", o.ID).
			Scan(&outcomes)
		if err != nil {
			return 0, err
		}
		if outcomes == "paid,refunded" {
			n++
		}
	}
	return n, nil
}

// outcomes counts the decided payment numbers by outcome.
func (p *plan) outcomes(ctx context.Context) (map[string]int64, error) {
	rows, err := p.books.QueryContext(ctx, "SELECT outcome, COUNT(*) FROM payment_numbers GROUP BY outcome")
	if err != nil {
		return nil, err
	}
	defer rows.Close()

	counts := map[string]int64{}
	for rows.Next() {
		var outcome string
		var n int64
		if err := rows.Scan(&outcome, &n); err != nil {
			return nil, err
		}
		counts[outcome] = n
	}
	return counts, rows.Err()
}

// print shows the table and the verdict; the error says that the verdict is bad.
func (r result) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nWHAT HAPPENED\tNUMBER\tEXPECTED\t")

	wrong := 0
	for _, l := range r.lines {
		want, mark := fmt.Sprint(l.want), "ok"
		if l.anyAbove0 {
			want = "1 or more"
		}
		if !l.right() {
			mark = "WRONG"
			wrong++
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", l.what, l.got, want, mark)
	}

	if err := table.Flush(); err != nil {
		return err
	}
	for _, v := range r.violations {
		fmt.Fprintln(w, "violated", v)
	}

	if wrong > 0 || len(r.violations) > 0 {
		return errors.New("VERDICT: the numbers above are wrong")
	}
	_, err := fmt.Fprintln(w, "\nVERDICT: every instruction took effect once, and the money adds up.")
	return err
}
