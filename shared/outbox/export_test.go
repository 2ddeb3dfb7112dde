package outbox

import "time"

// SetPoll changes how often the relay looks without being woken. Call it before Run.
func (r *Relay) SetPoll(d time.Duration) { r.poll = d }

// PageRows is how many rows are read at once.
const PageRows = pageRows
