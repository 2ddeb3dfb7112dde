package outbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// lookRows is how many rows a look reads one by one. When more are there, each lane is asked for
// its own instead.
const lookRows = 1024

// lanesIndex is how rows are found: by topic, the queue count that they were placed by, queue, and
// id. Statements name the index, because an optimizer whose statistics are of few rows, or old,
// would read the whole table.
const lanesIndex = " FROM outbox FORCE INDEX (outbox_lanes) WHERE "

// rows is a range of lanesIndex.
type rows struct {
	where string
	args  []any
}

func inLane(topic string, queues, queue int) rows {
	return rows{"topic = ? AND queues = ? AND queue_id = ?", []any{topic, queues, queue}}
}

// strays are rows of a topic that have no queue yet, or one of another queue count.
func strays(topic string, queues int) rows {
	return rows{"topic = ? AND queues <> ?", []any{topic, queues}}
}

// others are the rows of all topics that are not in t: the gaps between its topics.
func (t Topics) others() (gaps []rows) {
	before := ""
	for _, name := range slices.Sorted(maps.Keys(t)) {
		gaps = append(gaps, rows{"topic > ? AND topic < ?", []any{before, name}})
		before = name
	}
	return append(gaps, rows{"topic > ?", []any{before}})
}

// seen is what one look at the outbox found.
type seen struct {
	lanes   map[*lane]*round // of each lane that has rows, what it may send to begin with
	strays  map[*topic]bool  // topics with rows that have to be placed
	unknown string           // a topic that this relay does not know and that has rows, or ""
	newest  uint64           // the largest id seen
}

// head is a row without its message.
type head struct {
	ID      uint64
	Topic   string
	Queues  int
	QueueID int
}

// look finds which lanes and topics have rows.
//
// Take a row that the look sees, and an older row of the same key that has to be placed. The older
// row was committed before the other one was added. So the look sees it, too, and it is placed
// before the other one is sent.
func (r *Relay) look(ctx context.Context) (*seen, error) {
	var heads []head
	err := r.pool.Read(ctx).Raw("SELECT id, topic, queues, queue_id FROM outbox FORCE INDEX (PRIMARY)"+
		" WHERE id > ? ORDER BY id LIMIT ?", r.floor.id, lookRows).Scan(&heads).Error
	if err != nil {
		return nil, fmt.Errorf("look at the outbox: %w", err)
	}

	if len(heads) == lookRows {
		if heads, err = r.lookByLane(ctx); err != nil {
			return nil, err
		}
		return r.sort(heads, false), nil
	}
	return r.sort(heads, true), nil
}

// sort gives the rows to their lanes. The heads are all rows that may be sent, or, when all is
// false, the newest row that each lane may send.
func (r *Relay) sort(heads []head, all bool) *seen {
	s := &seen{lanes: map[*lane]*round{}, strays: map[*topic]bool{}}
	for _, h := range heads {
		s.newest = max(s.newest, h.ID)
		t, known := r.known[h.Topic]
		switch {
		case !known:
			s.unknown = h.Topic
			continue
		case h.Queues != t.queues:
			s.strays[t] = true
			continue
		}

		l := t.lanes[h.QueueID]
		if s.lanes[l] == nil {
			s.lanes[l] = &round{lane: l}
		}
		s.lanes[l].last = h.ID
		if all {
			s.lanes[l].ids = append(s.lanes[l].ids, h.ID)
		}
	}
	return s
}

// lookByLane asks, in one statement, each free lane for its newest row, and then for any row of a
// topic that the relay does not know and for any row that has to be placed.
func (r *Relay) lookByLane(ctx context.Context) (heads []head, err error) {
	var parts []string
	var args []any
	ask := func(from rows, order string) {
		parts = append(parts, "(SELECT id, topic, queues, queue_id"+lanesIndex+from.where+order+" LIMIT 1)")
		args = append(args, from.args...)
	}

	for _, t := range r.known {
		for _, l := range t.lanes {
			if l.free() {
				ask(inLane(t.name, t.queues, l.queue), " ORDER BY id DESC")
			}
		}
	}
	for _, gap := range r.topics.others() {
		ask(gap, "")
	}
	for _, t := range r.known {
		ask(strays(t.name, t.queues), "")
	}

	if err := r.pool.Read(ctx).Raw(strings.Join(parts, " UNION ALL "), args...).Scan(&heads).
		Error; err != nil {
		return nil, fmt.Errorf("look at the outbox by lane: %w", err)
	}
	return heads, nil
}
