package cases

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"settlement/e2e/checker"
	"settlement/e2e/client"
	"settlement/e2e/faults"
	"settlement/e2e/report"
	"settlement/e2e/stack"
	"settlement/e2e/wait"
	"settlement/shared/money"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// momentLimit is how long a case waits for the moment at which it wants to break something.
const momentLimit = 90 * time.Second

// Play is one case while it is played: a world, customers in it, and what they were told.
type Play struct {
	*World
	draw    *rand.Rand // every choice of the case; the seed and the case's name give the same ones again
	say     func(what string)
	answers *faults.Answers
	history *checker.History
	api     *client.Client
	wallets []string // the first are rich, the next nearly empty, the last is empty
	members []string // the wallets' owners, by customer id
	points  bool     // the customers have accounts of points

	customers int           // how many buy at the same time
	pace      time.Duration // pause of each between two steps, on average
	most      int64         // orders that are placed at most

	accepted   atomic.Int64 // instructions
	refunds    atomic.Int64 // of them, refunds of orders that were paid
	placed     atomic.Int64 // orders
	mu         sync.Mutex
	settled    []string // orders that were accepted for settling
	found      []checker.Violation
	effects    []string        // what its fault has brought about
	story      []report.Step   // what happened, in order
	parks      map[string]bool // keys of messages that are to be parked
	before     []string        // ids of what was parked before
	toldBefore map[string]bool // ids of notices that were told before
	broken     atomic.Int64    // how often a teller of notices may not have learnt that one was taken
}

// violated notes a violation that the case itself has seen and the checker cannot see.
func (p *Play) violated(v checker.Violation) { p.found = append(p.found, v) }

// stream returns the choices of one part of a case.
func stream(seed uint64, part string) *rand.Rand {
	h := fnv.New64a()
	_, _ = io.WriteString(h, part) // cannot fail
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// How many rich and poor wallets there are. A poor one holds enough for a few orders: concurrent
// instructions decide all the time whether an order is paid or declined, and what a refund makes
// possible again.
const (
	rich = 8
	poor = 3
)

func newPlay(ctx context.Context, w *World, part string, seed uint64, say func(string)) (p *Play, err error) {
	p = &Play{
		World: w, draw: stream(seed, part), say: say, parks: map[string]bool{}, toldBefore: map[string]bool{},
		answers: &faults.Answers{Next: http.DefaultTransport, Power: w.power}, history: checker.NewHistory(),
		customers: 4, pace: 100 * time.Millisecond, most: 4000, points: true,
	}
	p.api = p.client(w.OrderURL)

	if p.before, err = p.parkedEver(ctx); err != nil {
		return nil, err
	}
	for _, n := range p.Notices.Taken() {
		p.toldBefore[n.ID] = true
	}

	for i := range rich + poor + 1 {
		a, err := p.api.CreateAccount(ctx, key(), fmt.Sprint("customer ", i), money.CNY)
		if err != nil {
			return nil, fmt.Errorf("open a wallet: %w", err)
		}
		p.wallets = append(p.wallets, a.ID)
		who, err := p.api.Register(ctx, key(), fmt.Sprint("customer ", i))
		if err != nil {
			return nil, fmt.Errorf("register a customer: %w", err)
		}
		p.members = append(p.members, who.ID)

		fund := cny(1_000_000_000)
		if i >= rich {
			fund = cny(8_000)
		}
		if i == rich+poor { // this customer's orders are declined
			break
		}
		if err := p.api.Deposit(ctx, key(), a.ID, fund); err != nil {
			return nil, fmt.Errorf("fill a wallet: %w", err)
		}
	}
	return p, nil
}

// turnStrangers replaces the customers by some who were never registered.
func (p *Play) turnStrangers() {
	p.points = false
	for i := range p.members {
		p.members[i] = key()
	}
}

// client returns a client of an instance of order-service whose calls are recorded.
func (p *Play) client(orderURL string) *client.Client {
	return client.New(orderURL, p.PaymentURL, p.history.Transport(p.answers))
}

func key() string { return uuid.NewString() }

func cny(minor int64) money.Money { return money.Money{Currency: money.CNY, Minor: minor} }

// lasts waits for as long as a fault is to last.
func (p *Play) lasts(ctx context.Context, d time.Duration) error {
	p.note(fmt.Sprintf("for %s", d))
	return pause(ctx, d)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// fires waits until a rule has fired n times.
func (p *Play) fires(ctx context.Context, rule interface{ Fired() int64 }, n int64) (int64, error) {
	err := wait.For(ctx, momentLimit, func(context.Context) error {
		if fired := rule.Fired(); fired < n {
			return fmt.Errorf("the fault happened %d times, want %d", fired, n)
		}
		return nil
	})
	return rule.Fired(), err
}

// accepts waits until customers have had n further instructions accepted.
func (p *Play) accepts(ctx context.Context, n int64) error {
	want := p.accepted.Load() + n
	return wait.For(ctx, momentLimit, func(context.Context) error {
		if now := p.accepted.Load(); now < want {
			return fmt.Errorf("%d instructions were accepted, want %d", now, want)
		}
		return nil
	})
}

// warm waits until everything flows: orders were paid, and some of them refunded.
func (p *Play) warm(ctx context.Context) error {
	const refunds = 3
	return wait.For(ctx, momentLimit, func(context.Context) error {
		if now := p.refunds.Load(); now < refunds {
			return fmt.Errorf("%d refunds were accepted, want %d", now, refunds)
		}
		return nil
	})
}

// restart starts a dead service and waits until it is ready.
func (p *Play) restart(ctx context.Context, s *Side) error {
	if !s.Service.Running() { // unless the kill was switched off
		p.note(s.Service.Name + " starts again")
		if err := s.Service.Start(ctx); err != nil {
			return err
		}
	}
	return s.Service.WaitReady(ctx)
}

// kill ends a service by SIGKILL.
func (p *Play) kill(s *Side) error {
	p.broken.Add(1)
	p.note("killing " + s.Service.Name)
	return p.power.Do(s.Service.Kill)
}

// pause freezes a service.
func (p *Play) pause(s *Side) error {
	p.broken.Add(1)
	p.note("freezing " + s.Service.Name)
	return p.power.Do(s.Service.Pause)
}

// wake lets a frozen service go on.
func (p *Play) wake(s *Side) error {
	p.note("waking " + s.Service.Name)
	return s.Service.Resume()
}

// killServer ends a server by SIGKILL.
func (p *Play) killServer(s *stack.Server) error {
	p.note("killing " + s.Name)
	return p.power.Do(s.Kill)
}

// note says what happens, live and in the report.
func (p *Play) note(what string) {
	p.mu.Lock()
	p.story = append(p.story, report.Step{At: time.Now(), What: what})
	p.mu.Unlock()
	p.say(what)
}

// leave ends a further instance in peace.
func (p *Play) leave(ctx context.Context, s *Side) error {
	return errors.Join(p.stop(ctx, s), s.close())
}

// stop ends a service in peace.
func (p *Play) stop(ctx context.Context, s *Side) error {
	p.broken.Add(1) // a notice that is being told is cut off
	p.note("stopping " + s.Service.Name)
	return s.Service.Stop(ctx)
}

// moment does something once, at the moment when a rule's Then is called, while the packet is held.
type moment struct {
	once sync.Once
	done chan error
	do   func() error
}

func newMoment(do func() error) *moment { return &moment{do: do, done: make(chan error, 1)} }

func (m *moment) then() { m.once.Do(func() { m.done <- m.do() }) }

func (m *moment) wait(ctx context.Context) error {
	select {
	case err := <-m.done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(momentLimit):
		return fmt.Errorf("the moment did not come within %s", momentLimit)
	}
}

// publish sends messages as a foreign program would, and returns the keys of those that may be on
// the topic, also when a send fails.
func (p *Play) publish(
	ctx context.Context, topic string, queue int, bodies ...string,
) (keys []string, err error) {
	mq, err := rocketmq.NewProducer(rocketmq.ProducerConfig{
		Namesrv: p.NamesrvAddr, Group: "foreign", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, mq.Close()) }()

	for _, body := range bodies {
		m := rocketmq.Message{Topic: topic, Queue: queue, Key: key(), Body: []byte(body)}
		send := func() error {
			_, err := mq.SendBatch(ctx, m.Topic, queue, settlement.DefaultQueues, []rocketmq.Message{m})
			return err
		}
		keys = append(keys, m.Key)
		if err := p.power.Do(send); err != nil {
			return keys, fmt.Errorf("publish %.40q: %w", body, err)
		}
	}
	return keys, nil
}

// mayPark says that messages with these keys may be parked. Any other parked message is a
// violation.
func (p *Play) mayPark(keys ...string) {
	for _, key := range keys {
		p.parks[key] = true
	}
}

// reaches waits until a query that counts answers n.
func (p *Play) reaches(ctx context.Context, db *sql.DB, n int64, query string, args ...any) error {
	return wait.For(ctx, momentLimit, func(ctx context.Context) error {
		now, err := count(ctx, db, query, args...)
		if err == nil && now != n {
			err = fmt.Errorf("%s %v: %d, want %d", query, args, now, n)
		}
		return err
	})
}
