package cases

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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

// lookAtParked looks for messages that an operator has, or had, and that the case has not said it parks: nothing was wrong
// with them. A parked message is known by its bytes: a broker that was set up anew counts its offsets from 0 again.
func (p *Play) lookAtParked(ctx context.Context, topics ...[]traffic.Message) (violations []checker.Violation, err error) {
	expected := map[string]bool{}
	for _, m := range slices.Concat(topics...) {
		if p.parks[m.Key] {
			hash := sha256.Sum256(m.Body)
			expected[hex.EncodeToString(hash[:])] = true
		}
	}
	rows, err := p.books.QueryContext(ctx, "SELECT id, topic, COALESCE(order_id, ''), COALESCE(payment_no, ''), state, reason, payload_sha256"+
		" FROM parked_messages WHERE state IN ('parked', 'replayed', 'discarded')")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, topic, order, no, state, reason, hash string
		if err := rows.Scan(&id, &topic, &order, &no, &state, &reason, &hash); err != nil {
			return nil, err
		}
		if !slices.Contains(p.before, id) && !expected[hash] {
			violations = append(violations, checker.Violation{
				Invariant: checker.Lost, What: "a message was parked that nothing was wrong with", OrderID: order, PaymentNo: no,
				Row: fmt.Sprintf("parked_messages.id=%s topic=%s order_id=%s payment_no=%s state=%s reason=%s", id, topic, order, no, state, reason),
			})
		}
	}
	return violations, rows.Err()
}

// lookAtNotices compares what is parked with what the receiver was told: each at least once, and again only as often as
// whoever told it may not have learnt that it was taken.
func (p *Play) lookAtNotices(ctx context.Context) (violations []checker.Violation, err error) {
	told, times := map[string]bool{}, map[string]int64{}
	for _, n := range p.Notices.Taken() {
		told[n.Data.ID] = true
		times[n.ID]++
	}
	parked, err := p.parkedEver(ctx)
	for _, id := range parked {
		if !told[id] {
			violations = append(violations, checker.Violation{
				Invariant: checker.Lost, What: "a message was parked, and the receiver was not told", Row: "parked_messages.id=" + id,
			})
		}
	}
	for id, n := range times {
		if excused := p.broken.Load(); n > 1+excused && !p.toldBefore[id] {
			violations = append(violations, checker.Violation{
				Invariant: checker.Double, What: "a notice was told again, and its receiver had taken it",
				Row: fmt.Sprintf("webhook-id=%s told=%d interrupted=%d", id, n, excused),
			})
		}
	}
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
