package report

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// redrawInterval is how often the live line is written again, so that its clock goes on
// while a case waits.
const redrawInterval = 500 * time.Millisecond

// Progress says what is being run. On a terminal it is one line that is written over and over,
// and a line that stays for each case that failed; elsewhere it is a line for each event.
// Safe for concurrent use.
type Progress struct {
	mu         sync.Mutex
	out        io.Writer
	live       bool
	began      time.Time
	total      int
	ended      int
	failed     int
	violations int
	running    []running // in the order in which they began
	closed     chan struct{}
}

// running is a case under way, and the last note about it.
type running struct{ name, note string }

// NewProgress begins to show a run of total cases. Close it before anything else is written
// to out; it closes by itself when the last case has ended.
func NewProgress(out io.Writer, total int) *Progress {
	p := newProgress(out, total, isTerminal(out))
	if p.live {
		go p.redraw()
	}
	return p
}

func newProgress(out io.Writer, total int, live bool) *Progress {
	return &Progress{out: out, total: total, live: live, began: time.Now(), closed: make(chan struct{})}
}

// Began says that a case is under way.
func (p *Progress) Began(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = append(p.running, running{name: name})
	p.say("began " + name)
}

// Note says what a case that has begun is doing.
func (p *Progress) Note(name, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	what = printable(what)
	for i := range p.running {
		if p.running[i].name == name {
			p.running[i].note = what
		}
	}
	p.say(name + ": " + what)
}

// Ended says how a case ended.
func (p *Progress) Ended(r Row) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = slices.DeleteFunc(p.running, func(c running) bool { return c.name == r.Case })
	p.ended++
	p.violations += len(r.Violations)

	result := fmt.Sprintf("ok    %s: fired %d, settlements %d, recovered in %s",
		r.Case, r.Fired, r.Settlements, r.recovered())
	if !r.OK() {
		p.failed++
		result = fmt.Sprintf("FAIL  %s, seed %d: violations %d", r.Case, r.Seed, len(r.Violations))
		if why := r.why(); why != "" {
			result += "; " + printable(why)
		}
		if p.live {
			fmt.Fprint(p.out, lineStart, result, "\n")
		}
	}

	p.say(result)
	if p.ended == p.total {
		p.close()
	}
}

// Close ends the live line. It may be called more than once.
func (p *Progress) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.close()
}

func (p *Progress) close() {
	select {
	case <-p.closed:
		return
	default:
	}

	close(p.closed)
	if p.live {
		fmt.Fprintln(p.out)
	}
}

func (p *Progress) redraw() {
	tick := time.NewTicker(redrawInterval)
	defer tick.Stop()
	for {
		select {
		case <-p.closed:
			return
		case <-tick.C:
			p.mu.Lock()
			p.draw()
			p.mu.Unlock()
		}
	}
}

// say tells an event: by drawing the line again on a terminal, else by writing the event.
func (p *Progress) say(event string) {
	if p.live {
		p.draw()
		return
	}
	fmt.Fprintf(p.out, "[%s] %s\n", p.count(), event)
}

// lineStart goes back to the start of the line and clears all of it. wrapOff and wrapOn stand
// around the line: a terminal that wraps a line longer than it is wide could not write over it.
const (
	lineStart = "\r\x1b[2K"
	wrapOff   = "\x1b[?7l"
	wrapOn    = "\x1b[?7h"
)

func (p *Progress) draw() {
	select {
	case <-p.closed: // a redraw that waited for the lock while Close ran
		return
	default:
	}

	var names []string
	for _, c := range p.running {
		if c.note != "" {
			c.name += " (" + c.note + ")"
		}
		names = append(names, c.name)
	}
	fmt.Fprint(p.out, lineStart, wrapOff, p.count(), "  ", strings.Join(names, ", "), wrapOn)
}

func (p *Progress) count() string {
	return fmt.Sprintf("%d/%d  %s  failed %d, violations %d",
		p.ended, p.total, time.Since(p.began).Round(time.Second), p.failed, p.violations)
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
