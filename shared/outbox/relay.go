package outbox

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"settlement/shared/dbtx"
	"settlement/shared/rocketmq"
	"settlement/shared/wake"
)

const (
	// pageRows is how many rows of a lane are read at once.
	pageRows = 256
	// pollInterval is how often the relay looks without being woken. It finds the rows of other
	// instances, whose commits do not wake this relay.
	pollInterval = 200 * time.Millisecond
	// pauseMin and pauseMax bound the growing pause of a queue that fails, and of the relay
	// when the database does.
	pauseMin = 100 * time.Millisecond
	pauseMax = 3 * time.Second
	// connectionsMax is how many database connections the lanes use at a time, whatever their
	// number.
	connectionsMax = 4
	// endTimeout bounds the last rounds and the release of the lease. The last releaseTimeout of it
	// is kept for the release.
	endTimeout     = 8 * time.Second
	releaseTimeout = 2 * time.Second
)

// Send publishes one batch to one queue of a topic that has queues queues. A nil error means that
// the broker stored all of it, from the offset first on. rocketmq.Producer.SendBatch is one.
type Send func(ctx context.Context, topic string, queue, queues int,
	messages []rocketmq.Message) (first int64, err error)

// Relay sends the rows of one database's outbox, the rows of each queue in a lane of its own. A
// lane that fails or is slow holds up no other, however many rows it has. Several instances may
// run; the lease lets one of them send at a time.
//
// One goroutine, that of Run, owns the state here and in the lanes. A round of a lane runs beside
// it, works on a round of its own, and hands that back in ended.
type Relay struct {
	pool        *dbtx.Pool
	send        Send
	topics      Topics
	known       map[string]*topic
	poll        time.Duration
	settles     time.Duration
	below       time.Duration
	floor       floor
	unknown     pausing // after rows of an unknown topic were reported
	lease       *lease
	ended       chan *round // has room for a round of every lane
	underWay    int
	connections chan struct{} // one token for each that the lanes use
	bell        wake.Bell
	log         *slog.Logger
}

// NewRelay makes a relay for topics.
func NewRelay(pool *dbtx.Pool, send Send, topics Topics, log *slog.Logger) *Relay {
	r := &Relay{
		pool:        pool,
		send:        send,
		topics:      topics,
		known:       map[string]*topic{},
		poll:        pollInterval,
		settles:     insertSettles,
		below:       belowEvery,
		lease:       &lease{pool: pool, holder: uuid.NewString()},
		connections: make(chan struct{}, connectionsMax),
		bell:        wake.NewBell(),
		log:         log,
	}

	lanes := 0
	for name, queues := range topics {
		t := &topic{name: name, queues: queues}
		for queue := range queues {
			t.lanes = append(t.lanes, &lane{topic: name, queue: queue, queues: queues})
		}
		r.known[name] = t
		lanes += queues
	}

	r.ended = make(chan *round, lanes)
	return r
}

// Wake makes the relay look at once. Call it after a commit that added rows; it never blocks.
func (r *Relay) Wake() { r.bell.Ring() }

// Run sends until ctx is done. Then it sends once more what is there at that moment, and hands the
// lease back. A page under way is finished first: if it were cut off, the next relay would send its
// messages again.
func (r *Relay) Run(ctx context.Context) {
	pause := pauseMin
	for ctx.Err() == nil {
		if err := r.turn(context.WithoutCancel(ctx), ctx); err != nil {
			r.log.Error("outbox relay: cannot look for rows, trying again",
				"error", err, "pause", pause.String())
			wake.Pause(ctx, pause)
			pause = min(2*pause, pauseMax)
			continue
		}
		pause = pauseMin
		r.bell.Wait(ctx, r.poll)
	}
	r.awaitRounds()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	sending, stop := context.WithTimeout(ctx, endTimeout-releaseTimeout)
	defer stop()
	if err := r.turn(sending, sending); err != nil {
		r.log.Warn("outbox relay: last round failed, what is left is sent by the next instance", "error", err)
	}
	r.awaitRounds()
	if err := r.lease.release(ctx); err != nil {
		r.log.Warn("outbox relay: lease not handed back, the next instance waits for its end",
			"error", err, "ttl", leaseTTL.String())
	}
}

// turn begins a round of every lane that has rows and is neither busy nor pausing. Rounds end with
// the page under way when stop is done.
func (r *Relay) turn(ctx, stop context.Context) error {
	r.noteRounds()
	held, term, err := r.lease.hold(ctx)
	if err != nil || !held {
		return err
	}
	if err := r.raiseFloor(ctx); err != nil {
		return err
	}
	seen, err := r.look(ctx)
	if err != nil {
		return err
	}

	r.floor.newest = max(r.floor.newest, seen.newest)
	if seen.unknown != "" && r.unknown.over() {
		r.unknown.failed()
		r.log.Error("outbox relay: there are rows of a topic that this relay does not know, they are not sent",
			"topic", seen.unknown, "known", slices.Sorted(maps.Keys(r.known)))
	}

	for t := range seen.strays {
		r.placeStrays(ctx, t, term)
	}

	for l, g := range seen.lanes {
		t := r.known[l.topic]
		if l.free() && t.paused.over() {
			g.term = term
			if seen.strays[t] {
				g.ids = nil // the rows that were placed now come between them
			}
			r.begin(ctx, stop, g)
		}
	}
	return nil
}

// placeStrays places the strays of a topic. A topic whose rows cannot be placed waits.
func (r *Relay) placeStrays(ctx context.Context, t *topic, term int) {
	if !t.paused.over() {
		return
	}
	if err := r.place(ctx, t, term); err != nil {
		t.paused.failed()
		r.log.Error("outbox relay: rows cannot be placed, their topic waits",
			"topic", t.name, "error", err, "pause", t.paused.pause.String())
		return
	}
	t.paused = pausing{}
	r.bell.Ring() // the next turn, which is due at once, sends them
}

func (r *Relay) begin(ctx, stop context.Context, g *round) {
	g.lane.busy = true
	r.underWay++
	go func() {
		r.run(ctx, stop, g)
		r.ended <- g
		r.bell.Ring()
	}()
}

// noteRounds takes back the lanes whose rounds have ended.
func (r *Relay) noteRounds() {
	for {
		select {
		case g := <-r.ended:
			r.note(g)
		default:
			return
		}
	}
}

func (r *Relay) awaitRounds() {
	for r.underWay > 0 {
		r.note(<-r.ended)
	}
}

func (r *Relay) note(g *round) {
	l := g.lane
	l.busy = false
	r.underWay--
	if g.err == nil {
		l.paused = pausing{}
		return
	}
	l.paused.failed()
	r.log.Error("outbox relay: queue failed, trying again",
		"topic", l.topic, "queue", l.queue, "error", g.err, "pause", l.paused.pause.String())
}

// useDatabase waits for one of the connections that the lanes share, and returns what gives it
// back.
func (r *Relay) useDatabase() (done func()) {
	r.connections <- struct{}{}
	return func() { <-r.connections }
}
