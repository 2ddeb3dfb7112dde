package outbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// lanesIndex is how rows are found: by topic, the queue count that they were placed by, queue, and id. Statements
// name it: an optimizer that counts few rows, or old ones, would read the whole table.
const lanesIndex = " FROM outbox FORCE INDEX (outbox_lanes) WHERE "

// rows is a range of lanesIndex.
type rows struct {
	where string
	args  []any
}

func inLane(topic string, queues, queue int) rows {
	return rows{"topic = ? AND queues = ? AND queue_id = ?", []any{topic, queues, queue}}
}

// strays are rows that have no queue yet, or one of another queue count.
func strays(topic string, queues int) rows {
	return rows{"topic = ? AND queues <> ?", []any{topic, queues}}
}

// others are the rows of all topics but these, which are the gaps between them.
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
	newest  map[*lane]uint64 // the newest row of each lane that has any, of those asked for
	strays  map[*topic]bool  // topics with rows that have to be placed
	unknown string           // a topic that this relay does not know and that has rows, or ""
}

// look finds, in one statement of small reads of the index, which of lanes and topics have rows.
//
// The strays come last. A row that is older than the newest of its lane and still to be placed was committed before
// that one was added, so it is seen here, and placed before that lane is sent up to what was seen.
func (r *Relay) look(ctx context.Context, lanes []*lane, topics []*topic) (seen, error) {
	var parts []string
	var args []any
	ask := func(what string, n int, from rows, order string, more ...any) {
		parts = append(parts, fmt.Sprintf("(SELECT '%s' AS what, %d AS n, id, topic%s%s%s LIMIT 1)", what, n, lanesIndex, from.where, order))
		args = append(append(args, from.args...), more...)
	}
	for i, l := range lanes {
		ask("lane", i, inLane(l.topic, l.queues, l.queue), " AND id > ? ORDER BY id DESC", l.floor.id)
	}
	if r.unknown.over() {
		for _, gap := range r.topics.others() {
			ask("unknown", 0, gap, "")
		}
	}
	for i, t := range topics {
		ask("stray", i, strays(t.name, t.queues), "")
	}
	if len(parts) == 0 {
		return seen{}, nil
	}

	var found []struct {
		What  string
		N     int
		ID    uint64
		Topic string
	}
	if err := r.pool.Read(ctx).Raw(strings.Join(parts, " UNION ALL "), args...).Scan(&found).Error; err != nil {
		return seen{}, fmt.Errorf("look at the outbox: %w", err)
	}
	s := seen{newest: map[*lane]uint64{}, strays: map[*topic]bool{}}
	for _, row := range found {
		switch row.What {
		case "lane":
			s.newest[lanes[row.N]] = row.ID
		case "stray":
			s.strays[topics[row.N]] = true
		default:
			s.unknown = row.Topic
		}
	}
	return s, nil
}
