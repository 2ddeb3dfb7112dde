package cases

import (
	"context"
	"fmt"
	"slices"
	"time"

	"settlement/e2e/checker"
	"settlement/e2e/report"
	"settlement/e2e/traffic"
	"settlement/shared/settlement"
)

const (
	// The judge pauses between two looks for a twentieth of the time since the healing, within
	// these limits. It looks less and less often because a look reads both databases.
	lookIntervalMin = 300 * time.Millisecond
	lookIntervalMax = 2 * time.Second
	// cleanLooks is how many looks in a row must find nothing. The broker shows a message a little
	// after it has taken it, so one look may come before the last repeat.
	cleanLooks = 3
	// doomedLooks is how many looks in a row have to find a violation that never heals before the
	// judge gives up.
	doomedLooks = 10
)

// judge waits until every promise holds, at most for limit after healed. It returns how long that
// took, or -1 when it gave up, and the violations that it found in the end. An error means that it
// could not look.
func (p *Play) judge(
	ctx context.Context, healed time.Time, limit time.Duration,
) (time.Duration, []checker.Violation, error) {
	clean, doomed, first := 0, 0, time.Duration(0)
	for {
		looked := time.Since(healed)
		violations, err := p.look(ctx)
		if err == nil && len(violations) == 0 {
			if clean++; clean == 1 {
				first = looked
			}
			if clean == cleanLooks {
				violations, err = p.lookAtTold(ctx)
				return first, append(violations, checker.Recovered(first, limit)...), err
			}
		} else {
			clean = 0
		}

		if doomed++; !slices.ContainsFunc(violations, neverHeals) {
			doomed = 0
		}

		if clean == 0 && time.Since(healed) > limit || doomed == doomedLooks {
			if err != nil {
				return -1, nil, err
			}
			violations, err = p.lookAtAll(ctx)
			return -1, append(violations, checker.Recovered(time.Since(healed), limit)...), err
		}

		select {
		case <-ctx.Done():
			return -1, violations, context.Cause(ctx)
		case <-time.After(lookPause(time.Since(healed), limit)):
		}
	}
}

// lookPause is the time until the next look. Shortly before the limit it is short again: what is
// right by then must not be found late.
func lookPause(since, limit time.Duration) time.Duration {
	if limit-since < 2*lookIntervalMax {
		return lookIntervalMin
	}
	return min(max(since/20, lookIntervalMin), lookIntervalMax)
}

// neverHeals tells whether time cannot cure a violation: entries and payment numbers are only ever
// added.
func neverHeals(v checker.Violation) bool {
	return v.Invariant == checker.Money || v.Invariant == checker.Double
}

// look returns what does not hold now. While messages are under way, that may only not be done yet.
func (p *Play) look(ctx context.Context) ([]checker.Violation, error) {
	if violations := p.lookAtLag(ctx); len(violations) > 0 {
		return violations, nil // cheap, and says that the rest is not worth a look yet
	}
	return p.check.Check(ctx)
}

func (p *Play) lookAtLag(ctx context.Context) []checker.Violation {
	if err := traffic.Quiet(ctx, p.admin); err != nil {
		return []checker.Violation{{
			Invariant: checker.Lost, What: "messages are not acknowledged", Row: err.Error(),
		}}
	}
	return nil
}

// lookAtAll returns all violations, for a world that never came right.
func (p *Play) lookAtAll(ctx context.Context) ([]checker.Violation, error) {
	violations, err := p.check.Check(ctx)
	if err != nil {
		return nil, err
	}
	told, err := p.lookAtTold(ctx)
	return slices.Concat(p.lookAtLag(ctx), violations, told), err
}

// lookAtTold compares the databases with what the topics hold and with what customers were told.
func (p *Play) lookAtTold(ctx context.Context) ([]checker.Violation, error) {
	now := map[string][]traffic.Message{}
	for _, topic := range []string{
		settlement.TopicSettlement, settlement.TopicOutcome, settlement.TopicPoints,
	} {
		var err error
		if now[topic], err = traffic.Messages(ctx, p.NamesrvAddr, topic); err != nil {
			return nil, err
		}
	}

	kept, err := p.lookAtKept(ctx, now)
	if err != nil {
		return nil, err
	}

	settlements := p.ever(settlement.TopicSettlement, now[settlement.TopicSettlement])
	outcomes := p.ever(settlement.TopicOutcome, now[settlement.TopicOutcome])
	changes := p.ever(settlement.TopicPoints, now[settlement.TopicPoints])

	violations, err := p.check.CheckTopics(ctx, settlements,
		slices.DeleteFunc(slices.Clone(outcomes), p.isForged))
	if err != nil {
		return nil, err
	}
	journal, err := p.lookAtJournal(ctx)
	if err != nil {
		return nil, err
	}
	calls, err := p.check.CheckCalls(ctx, p.history)
	if err != nil {
		return nil, err
	}
	points, err := p.check.CheckPointsTopic(ctx, changes)
	if err != nil {
		return nil, err
	}
	parked, err := p.lookAtParked(ctx, settlements, outcomes)
	if err != nil {
		return nil, err
	}
	unknown, err := p.lookAtErrors(ctx)
	if err != nil {
		return nil, err
	}
	notices, err := p.lookAtNotices(ctx)
	return slices.Concat(violations, kept, journal, points, calls, parked, unknown, notices), err
}

// lookAtKept looks for messages that were acknowledged and left nothing. It cannot tell while some
// are not acknowledged, which is a violation of its own, nor can it tell of those that the broker
// has lost.
func (p *Play) lookAtKept(
	ctx context.Context, now map[string][]traffic.Message,
) ([]checker.Violation, error) {
	if len(p.lookAtLag(ctx)) > 0 {
		return nil, nil
	}
	return p.check.CheckKept(ctx, now[settlement.TopicSettlement],
		now[settlement.TopicOutcome], now[settlement.TopicPoints])
}

// lookAtJournal compares the journal with the books, and has the auditor do the same its own way.
func (p *Play) lookAtJournal(ctx context.Context) ([]checker.Violation, error) {
	records, err := p.messages(ctx, settlement.TopicJournal)
	if err != nil {
		return nil, err
	}
	violations, err := p.check.CheckJournal(ctx, records)
	if err != nil {
		return nil, err
	}

	printed, err := p.Payment.Service.Exec(ctx, "audit")
	switch {
	case p.journalLost && err == nil:
		violations = append(violations, checker.Violation{
			Invariant: checker.All, What: "the auditor does not miss the journal that the broker has lost",
			Row: printed,
		})
	case !p.journalLost && err != nil:
		violations = append(violations, checker.Violation{
			Invariant: checker.All, What: "the auditor finds the journal or the books broken",
			Row: fmt.Sprintf("%v: %s", err, printed),
		})
	}

	return violations, ctx.Err()
}

// counts are the numbers that a case is measured by, before and after it.
type counts struct {
	decided, stored, distinct, fetchedAgain int64
}

func (p *Play) counts(ctx context.Context) (c counts, err error) {
	if c.decided, err = count(ctx, p.books, "SELECT COUNT(*) FROM payment_numbers"); err != nil {
		return c, err
	}

	for _, topic := range []string{
		settlement.TopicSettlement, settlement.TopicOutcome, settlement.TopicPoints, settlement.TopicJournal,
	} {
		messages, err := p.messages(ctx, topic)
		if err != nil {
			return c, fmt.Errorf("count messages: %w", err)
		}
		keys := map[string]bool{}
		for _, m := range messages {
			keys[m.Key] = true
		}
		c.stored += int64(len(messages))
		c.distinct += int64(len(keys))
	}

	for _, side := range p.sides {
		for _, fetched := range side.MQ.Fetched() {
			c.fetchedAgain += fetched.Again
		}
	}
	return c, nil
}

func (c counts) since(before counts) (settlements int64, r report.Repeats) {
	r.Stored = c.stored - c.distinct - (before.stored - before.distinct)
	r.Fetched = c.fetchedAgain - before.fetchedAgain
	return c.decided - before.decided, r
}

// repeatedCalls is how many requests were a repeat of one before.
func (p *Play) repeatedCalls() (n int64) {
	for _, c := range p.history.Calls() {
		n += int64(len(c.Attempts) - 1)
	}
	return n
}
