package logs_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"settlement/shared/logs"
)

var errAway = errors.New("dial tcp 127.0.0.1:3306: connect: connection refused")

// lines runs do with a logger and returns the lines that it wrote.
func lines(t *testing.T, do func(log *slog.Logger)) []string {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(*testing.T) {
		do(logs.New(&out, slog.LevelInfo).
			With("service", "payment-service"))
	})
	return strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\n' })
}

func aSecondPasses() { time.Sleep(time.Second) } //nolint:forbidigo // the clock of synctest moves only so

func TestWhatIsLoggedOnceInAMinute(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(log *slog.Logger)
		want int
	}{
		"a loop that meets one error": {func(log *slog.Logger) {
			for range 30 {
				log.Warn("trying again", "error", errAway)
				aSecondPasses()
			}
		}, 1},
		"with a pause that grows": {func(log *slog.Logger) {
			log.Error("trying again", "error", errAway, "pause", "100ms")
			log.Error("trying again", "error", errAway, "pause", "200ms")
		}, 1},
		"a queue whose handler fails again and again": {func(log *slog.Logger) {
			for i := range 5 {
				log.Warn("handler failed", "queue", 3, "failures", i+1,
					"pause", time.Duration(i).String(), "error", errAway)
			}
		}, 1},
		"over connections that broke, each with a port of its own": {func(log *slog.Logger) {
			log.Error("trying again", "error",
				"read tcp 127.0.0.1:41000->127.0.0.1:3306: connection reset by peer")
			log.Error("trying again", "error",
				"read tcp 127.0.0.1:41001->127.0.0.1:3306: connection reset by peer")
		}, 1},
		"with its fields in another order": {func(log *slog.Logger) {
			log.Warn("pull failed", "broker", "a", "error", errAway)
			log.Warn("pull failed", "error", errAway, "broker", "a")
		}, 1},
		"of two payments": {func(log *slog.Logger) {
			log.Error("parked", "payment_no", "a", "error", errAway)
			log.Error("parked", "payment_no", "b", "error", errAway)
		}, 2},
		"of two topics": {func(log *slog.Logger) {
			log.With("topic", "settlement").Error("fails", "error", errAway)
			log.With("topic", "points").Error("fails", "error", errAway)
		}, 2},
		"in two groups": {func(log *slog.Logger) {
			log.WithGroup("a").Error("fails")
			log.WithGroup("b").Error("fails")
		}, 2},
		"at two levels": {func(log *slog.Logger) {
			log.Warn("fails")
			log.Error("fails")
		}, 2},
		"what is no warning": {func(log *slog.Logger) {
			for range 3 {
				log.Info("decided")
			}
		}, 3},
		"what is below the level": {func(log *slog.Logger) { log.Debug("a detail") }, 0},
	} {
		if got := lines(t, c.do); len(got) != c.want {
			t.Errorf("%s: %d lines, want %d:\n%s", name, len(got), c.want, strings.Join(got, "\n"))
		}
	}
}

func TestTheNextLineSaysHowManyWereLeftOut(t *testing.T) {
	got := lines(t, func(log *slog.Logger) {
		for range 121 { // one a second, the last one two minutes after the first
			log.Warn("trying again", "error", errAway)
			aSecondPasses()
		}
	})

	if len(got) != 3 {
		t.Fatalf("%d lines in two minutes, want 3:\n%s", len(got), strings.Join(got, "\n"))
	}
	if strings.Contains(got[0], logs.NotLogged) {
		t.Errorf("the first line leaves out others: %s", got[0])
	}
	for _, line := range got[1:] {
		if !strings.Contains(line, `"not_logged":59`) || !strings.Contains(line, "connection refused") ||
			!strings.Contains(line, `"service":"payment-service"`) {
			t.Errorf("want the same line, with not_logged 59, got %s", line)
		}
	}
}
