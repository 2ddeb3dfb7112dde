package cases

import (
	"context"
	"slices"

	"settlement/e2e/checker"
	"settlement/e2e/traffic"
	"settlement/shared/settlement"
)

// lookAtPoints compares topic points with the history of each customer.
func (p *Play) lookAtPoints(ctx context.Context) ([]checker.Violation, error) {
	changes, err := traffic.Messages(ctx, p.NamesrvAddr, settlement.TopicPoints)
	if err != nil {
		return nil, err
	}
	return p.check.CheckPointsTopic(ctx, changes)
}

// lookAtParked looks for messages that an operator has, or had, and that the case has not said it parks.
func (p *Play) lookAtParked(ctx context.Context, topics ...[]traffic.Message) ([]checker.Violation, error) {
	asked := map[string]bool{}
	for _, m := range slices.Concat(topics...) {
		if p.parks[m.Key] {
			asked[checker.PayloadHash(m.Body)] = true
		}
	}
	return p.check.CheckAsked(ctx, p.before, asked)
}

// lookAtNotices compares what is parked with what the receiver was told: each at least once, and again only as often as
// whoever told it may not have learnt that it was taken.
func (p *Play) lookAtNotices(ctx context.Context) (violations []checker.Violation, err error) {
	told, taken := map[string]bool{}, map[string]int64{}
	for _, n := range p.Notices.Taken() {
		told[n.Data.ID] = true
		for _, id := range n.Data.IDs {
			told[id] = true
		}
		if !p.toldBefore[n.ID] {
			taken[n.ID]++
		}
	}
	parked, err := p.parkedEver(ctx)
	for _, id := range parked {
		if !told[id] {
			violations = append(violations, checker.Violation{
				Invariant: checker.Lost, What: "a message was parked, and the receiver was not told", Row: "parked_messages.id=" + id,
			})
		}
	}
	violations = append(violations, checker.ToldAgain(taken, p.broken.Load())...)
	for _, err := range p.Notices.Forged() {
		violations = append(violations, checker.Violation{Invariant: checker.Lost, What: "the receiver was told something that was not signed", Row: err.Error()})
	}
	return violations, err
}

// parkedEver are the ids of the messages that an operator has, or had.
func (p *Play) parkedEver(ctx context.Context) (ids []string, err error) {
	rows, err := p.books.QueryContext(ctx, "SELECT id FROM parked_messages WHERE state IN ('parked', 'replayed', 'discarded')")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
