// Package logs keeps the log of a service readable while a server is away, when the service's loops
// and the RocketMQ client meet one error again and again.
package logs

import (
	"context"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// onceIn is the time in which a warning or an error is logged once.
	onceIn = 1 * time.Minute
	// linesMax bounds how many lines are remembered. Beyond it all are forgotten, and each is
	// logged as if for the first time.
	linesMax = 1000
	// NotLogged is the attribute that says how often a line came since it was logged last.
	NotLogged = "not_logged"
)

// growing are attributes that grow while the cause stays.
var growing = map[string]bool{"pause": true, "failures": true, "attempts": true}

// New makes a logger that writes JSON lines to out. Warnings and errors that differ in nothing but
// the growing attributes are one line in a minute; the next line says how many were left out.
func New(out io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(&handler{
		next: slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level}),
		said: &said{lines: map[string]*line{}},
	})
}

type handler struct {
	next slog.Handler
	with string // the logger's own attributes and groups
	said *said  // shared with the handlers that were made of this one
}

func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{next: h.next.WithAttrs(attrs), with: h.with + text(attrs), said: h.said}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{next: h.next.WithGroup(name), with: h.with + name + ".", said: h.said}
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn {
		return h.next.Handle(ctx, r)
	}

	var attrs []slog.Attr
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	again, notLogged := h.said.count(r.Level.String()+" "+h.with+r.Message+text(attrs), r.Time)
	if again {
		return nil
	}

	if notLogged > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int(NotLogged, notLogged))
	}
	return h.next.Handle(ctx, r)
}

// ownPort matches our own port in the error of a broken connection; each connection has another
// one.
var ownPort = regexp.MustCompile(`:\d+->`)

// text returns the text by which lines are compared. It is sorted, because the RocketMQ client
// gives its fields in any order.
func text(attrs []slog.Attr) string {
	all := make([]string, 0, len(attrs))
	for _, a := range attrs {
		if !growing[a.Key] {
			all = append(all, ownPort.ReplaceAllString(a.String(), "->"))
		}
	}
	slices.Sort(all)
	return "\n" + strings.Join(all, "\n")
}

// said remembers the lines that were logged of late. It is safe for concurrent use.
type said struct {
	mu    sync.Mutex
	lines map[string]*line
}

type line struct {
	loggedAt time.Time
	leftOut  int // since loggedAt
}

// count says whether a line was logged within onceIn, and if not, how often it was left out before.
func (s *said) count(text string, now time.Time) (again bool, leftOut int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.lines[text]
	if known != nil && now.Sub(known.loggedAt) < onceIn {
		known.leftOut++
		return true, 0
	}

	if known == nil {
		if len(s.lines) >= linesMax {
			clear(s.lines)
		}
		known = &line{}
		s.lines[text] = known
	}

	leftOut, known.leftOut, known.loggedAt = known.leftOut, 0, now
	return false, leftOut
}
