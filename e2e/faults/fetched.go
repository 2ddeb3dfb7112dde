package faults

import (
	"encoding/binary"
	"maps"
	"sync"
)

// pullFound is the code of a pull's answer that brings messages.
const pullFound = 0

// Fetched counts the messages that pull answers gave to the clients of one group.
type Fetched struct {
	Messages int64
	Again    int64 // of them, those that the group had been given before
}

// place is a message as a group sees it. A topic that was made anew has other messages at the same
// offsets.
type place struct {
	group, topic string
	queue        int32
	offset, born int64
}

// places are the messages that groups were given. Safe for concurrent use.
type places struct {
	mu    sync.Mutex
	given map[place]bool
}

// give notes that a message is given, and returns whether it was before.
func (p *places) give(at place) (again bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	again = p.given[at]
	p.given[at] = true
	return again
}

type fetches struct {
	seen *places // by the clients of other proxies too, see CountWith

	mu      sync.Mutex
	byGroup map[string]Fetched
}

func newFetches() *fetches {
	return &fetches{seen: &places{given: map[place]bool{}}, byGroup: map[string]Fetched{}}
}

func (f *fetches) count() map[string]Fetched {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.byGroup)
}

// add counts the messages in the body of a pull answer: one after the other, each with its size
// (int32) first, the queue (int32) at 12, its offset there (int64) at 20 and when it was born
// (int64) at 40. Source: RocketMQ 5.4.0, MessageDecoder.java.
func (f *fetches) add(q request, body []byte) {
	const queueAt, offsetAt, bornAt, least = 12, 20, 40, 48
	if len(q.topics) == 0 || len(q.groups) == 0 {
		return
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	given := f.byGroup[q.groups[0]]
	defer func() { f.byGroup[q.groups[0]] = given }()

	for len(body) >= least {
		size := int(binary.BigEndian.Uint32(body))
		if size < least || size > len(body) {
			return
		}
		at := place{
			group: q.groups[0], topic: q.topics[0],
			queue:  int32(binary.BigEndian.Uint32(body[queueAt:])),  //nolint:gosec // as the broker wrote it
			offset: int64(binary.BigEndian.Uint64(body[offsetAt:])), //nolint:gosec // as the broker wrote it
			born:   int64(binary.BigEndian.Uint64(body[bornAt:])),   //nolint:gosec // as the broker wrote it
		}

		given.Messages++
		if f.seen.give(at) {
			given.Again++
		}
		body = body[size:]
	}
}
