package faults

import "sync"

// firing decides which of the matches of a rule fire, and counts them.
type firing struct {
	mu    sync.Mutex
	seen  int
	fired int64
}

// fire takes a match: the first skip are let pass, then every every-th (0 and 1: each) fires, at
// most limit times (0: no limit).
func (f *firing) fire(skip, every, limit int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen++
	after := f.seen - skip
	if after < 1 || after%max(1, every) != 0 || limit > 0 && f.fired >= int64(limit) {
		return false
	}
	f.fired++
	return true
}

// Fired is how often the rule has fired. Safe for concurrent use.
func (f *firing) Fired() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fired
}
