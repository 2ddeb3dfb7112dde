package faults

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Weather is what happens to all packets of a proxy alike, on existing connections and on new ones.
// Safe for concurrent use.
type Weather struct {
	mu       sync.Mutex
	links    map[int]context.CancelFunc // each cuts a link
	entered  int
	thaw     chan struct{} // nil: not frozen; closed by Thaw
	held     int64
	refusing bool
	delay    time.Duration
	jitter   time.Duration
	power    *Switch // nil: on
}

// Obey makes the switch decide whether the faults of this proxy act. Call it before the first
// fault.
func (w *Weather) Obey(s *Switch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.power = s
}

// on tells whether faults act.
func (w *Weather) on() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.power.On()
}

// Freeze lets no byte pass in either direction until Thaw. Connections stay open, as with a peer
// that is frozen or behind a network that swallows packets.
func (w *Weather) Freeze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.thaw == nil && w.power.On() {
		w.thaw = make(chan struct{})
	}
}

// Thaw ends Freeze: what was held goes on.
func (w *Weather) Thaw() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.thaw != nil {
		close(w.thaw)
		w.thaw = nil
	}
}

// Frozen is how many packets Freeze has held since the start. Those that wait behind another one in
// the same direction of a connection are not counted.
func (w *Weather) Frozen() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held
}

// Cut resets all connections that are there. New ones are accepted.
func (w *Weather) Cut() {
	if w.on() {
		w.cutAll()
	}
}

func (w *Weather) cutAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, cut := range w.links {
		cut()
	}
}

// Refuse resets all connections, and new ones as soon as they are made, until Allow.
func (w *Weather) Refuse() {
	if w.on() {
		w.refuseAll()
	}
}

func (w *Weather) refuseAll() {
	w.mu.Lock()
	w.refusing = true
	w.mu.Unlock()
	w.cutAll()
}

// Allow ends Refuse.
func (w *Weather) Allow() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refusing = false
}

// Slow delays each packet by delay±jitter. Packets of one direction stay in order. 0, 0 ends it.
func (w *Weather) Slow(delay, jitter time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.power.On() {
		w.delay, w.jitter = delay, jitter
	}
}

func (w *Weather) clear() {
	w.Allow()
	w.Slow(0, 0)
	w.Thaw()
}

// enter takes note of a link; cut resets it. false: new ones are refused.
func (w *Weather) enter(cut context.CancelFunc) (leave func(), allowed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refusing {
		return nil, false
	}
	if w.links == nil {
		w.links = map[int]context.CancelFunc{}
	}
	w.entered++
	id := w.entered
	w.links[id] = cut
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.links, id)
	}, true
}

// latency is how long the next packet takes.
func (w *Weather) latency() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.jitter == 0 {
		return w.delay
	}
	return max(0, w.delay-w.jitter+rand.N(2*w.jitter))
}

// thawed waits while the network is frozen; false: ctx ended before.
func (w *Weather) thawed(ctx context.Context) bool {
	for {
		w.mu.Lock()
		thaw := w.thaw
		w.mu.Unlock()
		if thaw == nil {
			return ctx.Err() == nil
		}
		select {
		case <-thaw:
		case <-ctx.Done():
			return false
		}
	}
}

// letThrough is thawed for a packet. It counts the packet when it has to wait.
func (w *Weather) letThrough(ctx context.Context) bool {
	w.mu.Lock()
	if w.thaw != nil {
		w.held++
	}
	w.mu.Unlock()
	return w.thawed(ctx)
}
