package fence

import (
	"cmp"
	"maps"
	"slices"
)

// Place is what one message fills: an ordering key and a sequence number.
type Place struct {
	Key string
	Seq int64
}

// Waiter is a message that waits for its predecessor.
type Waiter[M any] struct {
	ID       string // of its record in the database; empty while it has none
	New      bool   // it came in this batch
	Received M
}

// Waiting are the messages of a batch's keys that are ahead, one at each place.
type Waiting[M any] map[Place]Waiter[M]

// Follow takes the messages that wait right behind a key's last place, one after the other. It ends
// at an empty place, at a message that may not go, and at an error of take. take makes a message
// take effect, and last returns that message's sequence number from then on.
func (w Waiting[M]) Follow(
	key string, last func(key string) int64, may func(Waiter[M]) bool, take func(Waiter[M]) error,
) error {
	for {
		at := Place{key, last(key) + 1}
		next, waits := w[at]
		if !waits || !may(next) {
			return nil
		}

		delete(w, at)
		if err := take(next); err != nil {
			return err
		}
	}
}

// Ready returns those of the keys whose next place is waited for.
func (w Waiting[M]) Ready(keys []string, last func(key string) int64) (ready []string) {
	for _, key := range keys {
		if _, waits := w[Place{key, last(key) + 1}]; waits {
			ready = append(ready, key)
		}
	}
	return ready
}

// Before returns a message that waits for a lower place of the same key.
func (w Waiting[M]) Before(at Place) (Place, Waiter[M], bool) {
	for lower, waiter := range w {
		if lower.Key == at.Key && lower.Seq < at.Seq {
			return lower, waiter, true
		}
	}
	return Place{}, Waiter[M]{}, false
}

// Unrecorded returns the places of the messages that have no record yet, sorted by key and sequence
// number: all transactions write several of them in the same order.
func (w Waiting[M]) Unrecorded() []Place {
	places := slices.Collect(maps.Keys(w))
	places = slices.DeleteFunc(places, func(at Place) bool { return w[at].ID != "" })
	slices.SortFunc(places, func(x,
		y Place,
	) int {
		return cmp.Or(cmp.Compare(x.Key, y.Key), cmp.Compare(x.Seq, y.Seq))
	})
	return places
}
