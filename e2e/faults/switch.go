package faults

import "sync/atomic"

// Switch is the one switch of all faults of a stack. Once it is off, rules still match and are
// counted, and their Then is called, but no packet is touched, there is no weather, and Do does
// nothing. The effect that a case reports must then be missing, or it is no effect of its fault. A
// nil Switch is on. Safe for concurrent use.
type Switch struct{ off atomic.Bool }

// Off stops all faults from acting.
func (s *Switch) Off() { s.off.Store(true) }

// On tells whether faults act.
func (s *Switch) On() bool { return s == nil || !s.off.Load() }

// Do calls act, which breaks something other than a packet, unless the switch is off: a kill, a
// freeze, a message of a stranger's, an SQL statement.
func (s *Switch) Do(act func() error) error {
	if !s.On() {
		return nil
	}
	return act()
}
