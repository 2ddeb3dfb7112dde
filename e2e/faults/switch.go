package faults

import "sync/atomic"

// Switch is the one switch of all faults of a stack. Once it is off, everything goes on as if: rules match, are counted,
// and their Then is called; but no packet is touched, there is no weather, and Do does nothing. What a case reports as
// the effect of its fault must then be missing, or it is no effect of it. A nil Switch is on. Safe for concurrent use.
type Switch struct{ off atomic.Bool }

// Off has no fault act any more.
func (s *Switch) Off() { s.off.Store(true) }

// On tells whether faults act.
func (s *Switch) On() bool { return s == nil || !s.off.Load() }

// Do does what breaks something that is no packet: a kill, a freeze, a message of a stranger's, an SQL statement.
func (s *Switch) Do(act func() error) error {
	if !s.On() {
		return nil
	}
	return act()
}
