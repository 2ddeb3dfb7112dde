package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"settlement/shared/dbtx"
	"settlement/shared/parking"
	"settlement/shared/rocketmq"
)

const (
	// stoppedAfter is how many different messages have to fail in a row, while none takes effect
	// between them, before it is taken for the system's fault.
	stoppedAfter = 2
	// suspectsMax bounds how many messages that failed are remembered. Beyond it, all of them are
	// tried as if for the first time; the executions that count are in the database.
	suspectsMax = 10_000
	// loadMax is how many messages that failed before this process began are remembered.
	loadMax = 1000
	// heldMax is how long a message that failed is not executed again while no other message takes
	// effect.
	heldMax = 2 * time.Second
	// tellAgainAfter is how long after people were told that the system fails they are not told
	// again.
	tellAgainAfter = 1 * time.Minute
)

// Policy decides whether a message fails by itself or all messages fail. The evidence is what this
// process has seen: a message is to blame when others took effect between two of its executions. It
// is safe for concurrent use.
type Policy struct {
	topic   string
	lot     *parking.Lot
	stopped prometheus.Gauge
	log     *slog.Logger

	mu        sync.Mutex
	loaded    bool                // the messages that failed before this process began are among the suspects
	took      int64               // messages that took effect
	suspects  map[string]*suspect // by number
	inARow    map[string]bool     // numbers of the messages that failed alone since one took effect
	isStopped bool                // the system fails: no message has taken effect since
	toldAt    time.Time           // when people were last told that the system fails
}

// suspect is a message that failed.
type suspect struct {
	executions int       // executions that are not counted in the database yet
	tries      int       // executions that are counted there
	tookBefore int64     // Policy.took when it became a suspect
	failedAt   time.Time // when it last failed alone
}

// NewPolicy makes the policy of a topic and registers its gauge.
func NewPolicy(topic string, lot *parking.Lot, metrics prometheus.Registerer, log *slog.Logger) *Policy {
	p := &Policy{
		topic: topic, lot: lot, log: log.With("topic", topic),
		stopped: prometheus.NewGauge(prometheus.GaugeOpts{
			Name:        "intake_stopped",
			Help:        "1 while one message after another fails and nothing is parked, because it is taken for the system's fault.",
			ConstLabels: prometheus.Labels{"topic": topic},
		}),
		suspects: map[string]*suspect{}, inARow: map[string]bool{},
	}
	metrics.MustRegister(p.stopped)
	return p
}

// load makes suspects of the messages that failed before this process began. It does so once. A
// restart must not execute these messages as often as if they had never failed.
func (p *Policy) load(ctx context.Context) error {
	p.mu.Lock()
	loaded := p.loaded
	p.mu.Unlock()
	if loaded {
		return nil
	}
	tried, err := p.lot.Tried(ctx, loadMax)
	if err != nil {
		return err
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loaded {
		return nil
	}
	p.loaded = true
	for no, tries := range tried {
		p.suspects[no] = &suspect{tries: tries, tookBefore: p.took, failedAt: time.Now()}
	}
	return nil
}

// effects is how many messages have taken effect until now.
func (p *Policy) effects() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.took
}

// suspends says whether err is not the messages' fault. Then the queue suspends, and nothing is
// counted. Either the error passes by itself, or it meets every message until the schema is mended,
// and then people are told.
func (p *Policy) suspends(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return true
	}

	switch dbtx.Classify(err) {
	case dbtx.Conflict, dbtx.Transient:
		return true
	case dbtx.Systemic:
		p.tellStopped(ctx, err)
		return true
	case dbtx.Unclassified:
		p.log.Error("the database answers with an error of which nothing is known: it is tried again, and parked if others succeed",
			"error", err)
	case dbtx.Refused, dbtx.Other:
	}
	return false
}

func (p *Policy) suspectsAny(numbers []string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, no := range numbers {
		if p.suspects[no] != nil {
			return true
		}
	}
	return false
}

// held says whether a message that failed must not be executed again yet. An execution says
// something about the message only when another message took effect before it: otherwise it may be
// the system that fails. In a quiet system the message is held for heldMax at most.
func (p *Policy) held(number string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.suspects[number]
	return s != nil && p.took <= s.tookBefore && time.Since(s.failedAt) < heldMax
}

// did notes that messages were done, and how many of them took effect. A repeat that was found is
// no evidence that the system works: it writes less than a new message does.
func (p *Policy) did(numbers []string, effects int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, no := range numbers {
		delete(p.suspects, no)
		delete(p.inARow, no)
	}

	if effects == 0 {
		return
	}
	p.took += int64(effects)
	clear(p.inARow)
	if p.isStopped {
		p.isStopped = false
		p.stopped.Set(0)
		p.log.Info("messages take effect again")
	}
}

// failedTogether notes an execution of several messages while it is not known yet which one is to
// blame.
func (p *Policy) failedTogether(numbers []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.Sort(numbers)
	for _, no := range slices.Compact(numbers) { // a copy in the same batch is the same execution
		p.suspect(no).executions++
	}
}

func (p *Policy) suspect(number string) *suspect {
	s := p.suspects[number]
	if s == nil {
		if len(p.suspects) >= suspectsMax {
			clear(p.suspects)
		}
		s = &suspect{tookBefore: p.took}
		p.suspects[number] = s
	}
	return s
}

// failed notes that a message failed alone; before is effects() before this execution. parked says
// that the message was parked and may be acknowledged. Otherwise the error says why it has to be
// delivered again.
func (p *Policy) failed(
	ctx context.Context, s parking.Subject, d rocketmq.Delivery, before int64, cause error,
) (parked bool, err error) {
	p.mu.Lock()
	suspect := p.suspect(s.Number)
	suspect.executions++
	suspect.failedAt = time.Now()
	f := parking.Failure{
		Delivery: d, Subject: s, Executions: suspect.executions, Err: cause,
		// Only what took effect before this execution began counts. A message that takes effect
		// during it may mark the end of a fault that this execution still met.
		Alone: before > suspect.tookBefore,
	}
	p.inARow[s.Number] = true
	p.mu.Unlock()

	cause = fmt.Errorf("message %s, seq %d of %s: %w", s.Number, s.Seq, s.OrderingKey, cause)
	parked, tries, err := p.lot.Failed(ctx, f)
	if err != nil {
		return false, errors.Join(cause, err)
	}

	p.mu.Lock()
	suspect.executions, suspect.tries = 0, tries
	if parked {
		delete(p.suspects, s.Number)
		delete(p.inARow, s.Number)
	}
	p.mu.Unlock()

	if !parked {
		return false, cause
	}
	p.log.Error("message parked: it failed every time, and others did not", "tries", tries, "error", cause,
		"number", s.Number, "ordering_key", s.OrderingKey, "seq", s.Seq, "trace_id", traceID(d))
	return true, nil
}

// failedAll is called after messages of a batch failed; before is effects() before the batch. It
// has people told when that is the system's fault: no message took effect meanwhile, and different
// messages failed in a row, or one failed as often as it may and there is no other to compare it
// with.
func (p *Policy) failedAll(ctx context.Context, before int64, cause error) {
	p.mu.Lock()
	system := len(p.inARow) >= stoppedAfter
	for no := range p.inARow {
		if s := p.suspects[no]; s != nil && s.tries >= parking.TriesMax {
			system = true
		}
	}
	system = system && p.took == before
	p.mu.Unlock()
	if system {
		p.tellStopped(ctx, cause)
	}
}

// tellStopped has people told that the system fails. It does so once until messages take effect
// again, and not more often than every tellAgainAfter while some messages take effect and others
// fail.
func (p *Policy) tellStopped(ctx context.Context, cause error) {
	p.mu.Lock()
	known := p.isStopped || time.Since(p.toldAt) < tellAgainAfter
	p.isStopped = true
	if !known {
		p.toldAt = time.Now()
	}
	p.mu.Unlock()
	p.stopped.Set(1)
	if known {
		return
	}

	p.log.Error("messages fail and none takes effect: taken for the system's fault, nothing is parked",
		"error", cause)
	if err := p.lot.TellStopped(ctx, uuid.NewString(), p.topic, cause); err != nil {
		p.log.Error("nobody is told that messages fail, because that cannot be written down either",
			"error", err)
		p.mu.Lock()
		p.isStopped, p.toldAt = false, time.Time{} // the next failure tries to tell again
		p.mu.Unlock()
	}
}
