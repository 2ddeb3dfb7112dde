package checker

import (
	"context"
	"fmt"

	"settlement/e2e/traffic"
	contract "settlement/shared/settlement"
)

// CheckPointsTopic compares all messages of the topic points with both databases. Each change that
// order-service gave a place has to be there (L), and each copy has to say what payment-service has
// recorded (A). The key of a message is the number of its change, the messages of one customer are
// in one queue, and their first copies are in the customer's sequence (O). Messages that cannot be
// read are left aside, and so are customers that order-service does not have.
func (c *Checker) CheckPointsTopic(ctx context.Context, messages []traffic.Message) ([]Violation, error) {
	var f findings
	err := c.look(ctx, func(s *state) { s.checkPointsTopic(&f, inOrder(messages)) })
	if err != nil {
		return nil, fmt.Errorf("check topic points: %w", err)
	}
	return f.sorted(), nil
}

func (s *state) checkPointsTopic(f *findings, messages []traffic.Message) {
	t := newTrail()
	sent := map[string]map[int64]bool{} // sequences, by customer
	for _, m := range messages {
		change, err := contract.ParsePointsChange(m.Body)
		if _, ours := s.customers[change.CustomerID]; err != nil || !ours {
			continue
		}

		if m.Key != change.PointsNo || m.ShardingKey != change.CustomerID || m.Tag != string(change.Type) {
			f.add(Order, "a change of points was sent without its key", "", "",
				append(place(m), "customer_id", change.CustomerID,
					"points_no", change.PointsNo, "key", m.Key, "sharding_key", m.ShardingKey, "tag",
					m.Tag)...)
		}
		if p := s.recorded(change); p != nil && !p.says(change) {
			f.add(All, "a change of points on the topic is not the one recorded", "", "",
				append(place(m), "body", string(m.Body), "points_history", *p)...)
		}

		if sent[change.CustomerID] == nil {
			sent[change.CustomerID] = map[int64]bool{}
		}
		sent[change.CustomerID][change.Seq] = true

		// A trail names orders in its violations. Here they are customers.
		var of findings
		t.pass(&of, m, change.CustomerID, change.PointsNo, change.Seq)
		for _, v := range of {
			f.add(v.Invariant, "topic points: "+v.What, "", "", "customer_id",
				v.OrderID, "points_no", v.PaymentNo, "rows", v.Row)
		}
	}

	for id, c := range s.customers {
		for seq := int64(1); seq <= c.Seq; seq++ {
			if !sent[id][seq] {
				f.add(Lost, "a change of points is not on the topic", "", "", "customer_id", id, "seq", seq,
					"customers.points_seq", c.Seq)
				break // one shows it
			}
		}
	}
}

// says reports whether the row records exactly this change.
func (p *pointsRow) says(change contract.PointsChange) bool {
	return p.PointsNo == change.PointsNo && p.Type == string(change.Type) &&
		p.Change == change.Points && p.Reason == change.Reason
}

// recorded returns payment-service's row at the place of a change, nil when there is none.
func (s *state) recorded(change contract.PointsChange) *pointsRow {
	for _, p := range s.history[change.CustomerID] {
		if p.Seq == change.Seq {
			return p
		}
	}
	return nil
}
