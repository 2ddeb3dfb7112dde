package cases

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"settlement/e2e/checker"
	"settlement/e2e/client"
	"settlement/e2e/traffic"
	"settlement/e2e/wait"
	"settlement/shared/settlement"
)

// errNoEffect means that a case proves nothing although its rule fired: nothing came of the fault
// that can be seen from outside.
var errNoEffect = errors.New("the fault had no effect")

// offLimit is how long a case waits for an effect while the faults are switched off: none will
// come.
const offLimit = 10 * time.Second

// measure is a number that grows by what a fault brings about.
type measure func(ctx context.Context) (int64, error)

// effect is what a fault has to bring about, seen from outside the services: a measure that grows
// by least or more.
type effect struct {
	what  string
	least int64
	now   measure
	began int64
}

// expects takes the measure before the fault.
func (p *Play) expects(ctx context.Context, least int64, what string, now measure) (*effect, error) {
	e := &effect{what: what, least: least, now: now}
	var err error
	e.began, err = now(ctx)
	return e, err
}

// grown returns by how much the measure has grown since expects took it.
func (e *effect) grown(ctx context.Context) (int64, error) {
	now, err := e.now(ctx)
	return now - e.began, err
}

// came waits until the effect is there, and returns by how much the measure has grown.
func (p *Play) came(ctx context.Context, e *effect) (int64, error) {
	limit := momentLimit
	if !p.power.On() {
		limit = offLimit
	}

	var grown int64
	looked := false
	err := wait.For(ctx, limit, func(ctx context.Context) error {
		if looked { // a look may read a whole topic
			if err := pause(ctx, lookIntervalMin); err != nil {
				return err
			}
		}
		looked = true
		n, err := e.grown(ctx)
		if err != nil {
			return err
		}
		if grown = n; grown < e.least {
			return fmt.Errorf("%w: %d %s, want %d", errNoEffect, grown, e.what, e.least)
		}
		return nil
	})
	if err == nil {
		p.saw(grown, e.what)
	}
	return grown, err
}

// had is came for an effect that is there by now or will never come: it does not wait.
func (p *Play) had(n, least int64, what string) error {
	if n < least {
		return fmt.Errorf("%w: %d %s, want %d", errNoEffect, n, what, least)
	}
	p.saw(n, what)
	return nil
}

// saw notes an effect for the report.
func (p *Play) saw(n int64, what string) {
	p.effects = append(p.effects, fmt.Sprintf("%d %s", n, what))
	p.note("seen: " + p.effects[len(p.effects)-1])
}

// with lets act do a fault, and waits for the fault's effect before the case goes on.
func (p *Play) with(
	ctx context.Context, least int64, what string, now measure, act func() (int64, error),
) (int64, error) {
	e, err := p.expects(ctx, least, what, now)
	if err != nil {
		return 0, err
	}
	fired, err := act()
	if err != nil {
		return fired, err
	}
	_, err = p.came(ctx, e)
	return fired, err
}

// showing is with for a whole case.
func showing(least int64, what string, now func(p *Play) measure, do run) run {
	return func(ctx context.Context, p *Play) (int64, error) {
		return p.with(ctx, least, what, now(p), func() (int64, error) { return do(ctx, p) })
	}
}

// storedAgain counts the messages on a topic that are not the first with their key. It leaves out
// what a Repeater has published, which says nothing about the services' own sends.
func storedAgain(topic string) func(p *Play) measure {
	return func(p *Play) measure {
		return func(ctx context.Context) (n int64, err error) {
			messages, err := traffic.Messages(ctx, p.NamesrvAddr, topic)
			seen := map[string]bool{}
			for _, m := range messages {
				if m.Repeat {
					continue
				}
				if seen[m.Key] {
					n++
				}
				seen[m.Key] = true
			}
			return n, err
		}
	}
}

// fetchedAgain counts messages that a group's instances were given more than once.
func fetchedAgain(group string) func(p *Play) measure {
	return func(p *Play) measure {
		return func(context.Context) (n int64, _ error) {
			for _, side := range p.sides {
				n += side.MQ.Fetched()[group].Again
			}
			return n, nil
		}
	}
}

// refusedWith counts the errors with this number that the database has answered to a service.
func refusedWith(side func(*Play) *Side, number uint16) func(p *Play) measure {
	return func(p *Play) measure {
		return func(context.Context) (int64, error) { return side(p).DB.Errors(number), nil }
	}
}

// undone counts payment numbers that were written and rolled back: each has used up an id that no
// row has.
func undone(p *Play) measure {
	return func(ctx context.Context) (int64, error) {
		return count(ctx, p.books, "SELECT COALESCE(MAX(id), 0) - COUNT(*) FROM payment_numbers")
	}
}

// released counts instructions that waited for their predecessor and were decided right behind it.
func (p *Play) released(ctx context.Context) (int64, error) {
	return count(ctx, p.books, "SELECT COUNT(*) FROM parked_messages WHERE state = 'released'")
}

// askedAgain counts instructions that were answered although an answer was lost: the client had to
// ask again with its key.
func askedAgain(p *Play) measure {
	return func(context.Context) (n int64, _ error) {
		for _, c := range p.history.Calls() {
			lost := slices.IndexFunc(c.Attempts,
				func(a checker.Attempt) bool { return a.Status == 0 && !a.Ended.IsZero() })
			answered := slices.ContainsFunc(c.Attempts,
				func(a checker.Attempt) bool { return a.Outcome != checker.Unknown })
			if instructs(c) && lost >= 0 && answered {
				n++
			}
		}
		return n, nil
	}
}

func instructs(c checker.Call) bool {
	return strings.HasSuffix(c.Path, "/settle") || strings.HasSuffix(c.Path, "/refund")
}

// metric reads a service's own count from its /metrics. The count begins anew when the service
// does.
func metric(side func(*Play) *Side, name, label string) func(p *Play) measure {
	return func(p *Play) measure {
		return func(ctx context.Context) (int64, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, side(p).Service.URL+"/metrics", nil)
			if err != nil {
				return 0, err
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return 0, err
			}
			defer res.Body.Close()

			sum := 0.0
			lines := bufio.NewScanner(res.Body)
			for lines.Scan() {
				series, value, _ := strings.Cut(lines.Text(), " ")
				if strings.HasPrefix(series, name+"{") && strings.Contains(series, label) {
					n, err := strconv.ParseFloat(value, 64)
					if err != nil {
						return 0, fmt.Errorf("%s: %w", lines.Text(), err)
					}
					sum += n
				}
			}

			return int64(sum), lines.Err()
		}
	}
}

// atOnce is how long an instruction takes at most when nothing holds it up, on a busy machine too.
const atOnce = 3 * time.Second

// heldBack counts instructions that came to the topic between began and ended, at least atOnce
// before ended, and were decided after ended.
func (p *Play) heldBack(ctx context.Context, began, ended time.Time) (n int64, err error) {
	messages, err := traffic.Messages(ctx, p.NamesrvAddr, settlement.TopicSettlement)
	if err != nil {
		return 0, err
	}

	for _, m := range messages {
		if m.Repeat || m.StoredAt.Before(began) || m.StoredAt.After(ended.Add(-atOnce)) {
			continue
		}
		late, err := count(ctx, p.books,
			"SELECT COUNT(*) FROM payment_numbers WHERE payment_no = ? AND created_at < ?", m.Key,
			ended.UTC())
		if err != nil {
			return 0, err
		}
		n += 1 - min(late, 1)
	}
	return n, nil
}

// slowShare is how many of a hundred attempts that began between began and ended took longer than
// limit, or got no answer. It is a share because a busy machine slows some down too.
func (p *Play) slowShare(began, ended time.Time, limit time.Duration) int64 {
	var slow, all int64
	for _, c := range p.history.Calls() {
		for _, a := range c.Attempts {
			if a.Began.Before(began) || a.Began.After(ended) {
				continue
			}
			all++
			if a.Ended.IsZero() || a.Ended.Sub(a.Began) > limit || a.Outcome == checker.Unknown {
				slow++
			}
		}
	}
	return 100 * slow / max(all, 1)
}

// storedLate counts instructions that were accepted between began and ended, at least atOnce before
// ended, and were stored by the broker after ended.
func (p *Play) storedLate(ctx context.Context, began, ended time.Time) (n int64, err error) {
	first := map[string]time.Time{}
	messages, err := traffic.Messages(ctx, p.NamesrvAddr, settlement.TopicSettlement)
	if err != nil {
		return 0, err
	}

	for _, m := range messages {
		if at, ok := first[m.Key]; !m.Repeat && (!ok || m.StoredAt.Before(at)) {
			first[m.Key] = m.StoredAt
		}
	}

	for _, c := range p.history.Calls() {
		for _, a := range c.Attempts {
			no := acceptedNo(c, a)
			if no != "" && a.Ended.After(began) && a.Ended.Before(ended.Add(-atOnce)) &&
				first[no].After(ended) {
				n++
				break
			}
		}
	}
	return n, nil
}

// acceptedNo returns the payment number of an instruction that this attempt had accepted, else
// empty.
func acceptedNo(c checker.Call, a checker.Attempt) string {
	var accepted client.Accepted
	if !instructs(c) || a.Outcome != checker.OK || json.Unmarshal(a.Answer, &accepted) != nil {
		return ""
	}
	return accepted.PaymentNo
}
