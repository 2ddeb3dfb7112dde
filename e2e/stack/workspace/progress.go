package workspace

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// stillBusy is how often a long download or start says that it goes on.
const stillBusy = 15 * time.Second

// Progress tells people, line by line, how a start gets on.
type Progress struct {
	out   io.Writer
	mu    sync.Mutex // for out: servers start side by side
	every time.Duration
}

// NewProgress writes to out. A step that takes its time says every so often that it goes on.
func NewProgress(out io.Writer, every time.Duration) *Progress {
	return &Progress{out: out, every: every}
}

// Say prints one line of progress.
func (p *Progress) Say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "stack: "+format+"\n", args...)
}

// SayWhile prints line with the seconds passed until the returned function is called.
func (p *Progress) SayWhile(line func() string) (done func()) {
	stop := make(chan struct{})
	began := time.Now()
	go func() {
		tick := time.NewTicker(p.every)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				p.Say("%s (%s)", line(), Since(began))
			}
		}
	}()
	return func() { close(stop) }
}

// Since is the time that has passed, as a line of progress tells it.
func Since(t time.Time) string { return fmt.Sprintf("%.1f s", time.Since(t).Seconds()) }
