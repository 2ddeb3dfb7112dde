package cases

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"settlement/e2e/checker"
	"settlement/e2e/traffic"
)

// lookAtParked looks for messages that are or were parked without the case having said so by
// mayPark.
func (p *Play) lookAtParked(ctx context.Context, topics ...[]traffic.Message) ([]checker.Violation, error) {
	asked := map[string]bool{}
	for _, m := range slices.Concat(topics...) {
		if p.parks[m.Key] {
			asked[checker.PayloadHash(m.Body)] = true
		}
	}
	return p.check.CheckAsked(ctx, p.before, asked)
}

// lookAtErrors looks for database errors that the services do not know: shared/dbtx has to decide
// what is to be done about each.
func (p *Play) lookAtErrors(ctx context.Context) (violations []checker.Violation, err error) {
	for _, url := range []string{p.OrderURL, p.PaymentURL} {
		metrics, err := scrape(ctx, url+"/metrics")
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(metrics) {
			if strings.HasPrefix(line, "db_errors_total{") && strings.Contains(line, `class="unclassified"`) {
				violations = append(violations, checker.Violation{
					Invariant: checker.All, What: "the database answered with an error that is not classified", Row: strings.TrimSpace(line),
				})
			}
		}
	}
	return violations, nil
}

func scrape(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", url, res.Status)
	}
	return string(body), err
}

// lookAtNotices compares the parked messages with the notices that the receiver has taken. Each
// message has to be told at least once. A notice may be told again only as often as its teller may
// not have learnt that it was taken.
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
				Invariant: checker.Lost, What: "a message was parked, and the receiver was not told",
				Row: "parked_messages.id=" + id,
			})
		}
	}

	violations = append(violations, checker.ToldAgain(taken, p.broken.Load())...)
	for _, err := range p.Notices.Forged() {
		violations = append(violations,
			checker.Violation{
				Invariant: checker.Lost, What: "the receiver was told something that was not signed",
				Row: err.Error(),
			})
	}
	return violations, err
}

// parkedEver returns the ids of the messages that are or were parked, in either database.
func (p *Play) parkedEver(ctx context.Context) (ids []string, err error) {
	for _, db := range []*sql.DB{p.books, p.orders} {
		parked, err := parkedIn(ctx, db)
		if err != nil {
			return nil, err
		}
		ids = append(ids, parked...)
	}
	return ids, nil
}

func parkedIn(ctx context.Context, db *sql.DB) (ids []string, err error) {
	rows, err := db.QueryContext(ctx,
		"SELECT id FROM parked_messages WHERE state IN ('parked', 'replayed', 'discarded')")
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
