package cases

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"settlement/e2e/checker"
	"settlement/e2e/report"
	"settlement/e2e/traffic"
	"settlement/shared/settlement"
)

// timelinesMax is how many orders get a timeline.
const timelinesMax = 20

// records are the queries for what a database knows of an order. Each answers times and texts.
var records = []struct {
	payments bool // else the orders database
	where    string
	query    string
}{
	{
		false, "orders DB",
		"SELECT created_at, CONCAT('order placed for ', amount_minor, ' ', currency, ' from" +
			" wallet ', account_id) FROM orders WHERE id = ?",
	},
	{false, "orders DB", "SELECT updated_at, CONCAT('order is ', status, ' at seq ', seq, ' '," +
		" COALESCE(payment_no, '')) FROM orders WHERE id = ?"},
	{false, "orders DB", "SELECT occurred_at, CONCAT('outcome ', outcome, ' at seq ', seq, ' applied, '," +
		" payment_no) FROM payments WHERE order_id = ?"},
	{true, "payments DB", "SELECT created_at, CONCAT('seq ', seq, ' ', type, ' decided: ', outcome, ' '," +
		" reason, ' ', payment_no) FROM payment_numbers WHERE order_id = ?"},
	{true, "payments DB", "SELECT e.created_at, CONCAT('entry of ', e.amount_minor, ' on ', e.account_id, '" +
		" ', e.payment_no) FROM entries e JOIN payment_numbers p ON p.payment_no = e.payment_no WHERE" +
		" p.order_id = ?"},
	{true, "payments DB", "SELECT created_at, CONCAT('seq ', COALESCE(seq, 0), ' ', state, ': ', reason)" +
		" FROM parked_messages WHERE order_id = ?"},
}

// timelines tells what is known of the orders that violations name. A topic that cannot be read is
// left out; a query that fails leaves its error as an event.
func (p *Play) timelines(ctx context.Context, violations []checker.Violation) []report.Timeline {
	var messages []traffic.Message
	for _, topic := range []string{settlement.TopicSettlement, settlement.TopicOutcome} {
		if found, err := traffic.Messages(ctx, p.NamesrvAddr, topic); err == nil {
			messages = append(messages, found...)
		}
	}

	var all []report.Timeline
	told := map[string]bool{"": true}
	for _, v := range violations {
		if told[v.OrderID] || len(all) == timelinesMax {
			continue
		}
		told[v.OrderID] = true
		all = append(all, report.Timeline{OrderID: v.OrderID, Events: p.events(ctx, v.OrderID, messages)})
	}
	return all
}

func (p *Play) events(ctx context.Context, order string, messages []traffic.Message) []report.Event {
	var events []report.Event
	for _, r := range records {
		db := p.orders
		if r.payments {
			db = p.books
		}
		found, err := read(ctx, db, r.where, r.query, order)
		if err != nil {
			found = []report.Event{{Where: r.where, What: err.Error()}}
		}
		events = append(events, found...)
	}

	for _, m := range messages {
		if m.ShardingKey == order {
			events = append(events, report.Event{
				At: m.StoredAt, Where: "topic " + m.Topic,
				What: fmt.Sprintf("queue %d offset %d: %s %s", m.Queue, m.Offset, m.Tag, m.Key),
			})
		}
	}

	for _, c := range p.history.Calls() {
		if !strings.Contains(c.Path, order) {
			continue
		}
		for _, a := range c.Attempts {
			events = append(events, report.Event{
				At: a.Ended, Where: "client", What: fmt.Sprintf("POST %s key %s: %v %d %.200s", c.Path, c.Key,
					a.Outcome, a.Status, a.Answer),
			})
		}
	}
	return events
}

func read(ctx context.Context, db *sql.DB, where, query, order string) ([]report.Event, error) {
	rows, err := db.QueryContext(ctx, query, order)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var events []report.Event
	for rows.Next() {
		var at time.Time
		var what string
		if err := rows.Scan(&at, &what); err != nil {
			return nil, err
		}
		events = append(events, report.Event{At: at, Where: where, What: what})
	}
	return events, rows.Err()
}
