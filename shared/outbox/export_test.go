package outbox

import "time"

// SetPoll changes how often the relay looks without being woken. Call it before Run.
func (r *Relay) SetPoll(d time.Duration) { r.poll = d }

// SetSettles changes how long an INSERT is thought to take. Call it before Run.
func (r *Relay) SetSettles(d time.Duration) { r.settles = d }

// PageRows is how many rows are read at once.
const PageRows = pageRows
