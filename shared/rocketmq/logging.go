package rocketmq

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

var adoptLogOnce sync.Once

// adoptLog sends the library's log to logger. T41: the library has one logger for the process and
// reads it without a lock, so it is set before the first client exists and never again. The first
// client's logger wins.
func adoptLog(logger *slog.Logger) {
	adoptLogOnce.Do(func() {
		rlog.SetLogger(clientLog{logger.With("component", "rocketmq-client")})
		// T24: the library recovers panics of its goroutines and says nothing. A queue would stand
		// still without a word.
		primitive.DefaultPanicHandler = func(p any) {
			logger.Error("panic in the RocketMQ client", "panic", fmt.Sprint(p),
				"stack", string(debug.Stack()))
		}
	})
}

func loggerOrDefault(logger *slog.Logger) *slog.Logger {
	if logger == nil {
		return slog.Default()
	}
	return logger
}

// clientLog is the library's logger on slog. The library's info is noise for an operator and
// becomes debug. Its debug is dropped. Its errors become warnings: they are failed calls that it
// makes again, and every client that shuts down logs some. Producer and Consumer themselves log
// what an operator has to know.
type clientLog struct{ logger *slog.Logger }

// routine lists, by message, the library's warnings that are logged at level debug.
var routine = map[string]bool{
	// A suspend; the consumer logs it once itself, with its reason.
	"consumeMessage Orderly return not OK": true,
	// A queue moves between consumers, tried again every 20 s; or the consumer stops.
	"the message queue not be able to consume, because it's dropped.": true,
	"do defaultConsumer, add a new mq failed, because lock failed":    true,
	// The name server does not know %RETRY%<group> yet: repeated every 30 s, and nothing is sent
	// there.
	"query topic route from server error":                  true,
	"queryTopicRouteInfoFromServer return nil":             true,
	"do balance in group failed, the topic does not exist": true,
	// A broker has refused an offset. Consumer finds out why and logs that.
	illegalOffset: true,
	// A backlog.
	"the cached message count exceeds the threshold, so do flow control": true,
	"the cached message size exceeds the threshold, so do flow control":  true,
}

// confidential are fields that carry the bodies of messages. T41: the library logs them.
var confidential = map[string]bool{rlog.LogKeyMessages: true, "message": true}

func (l clientLog) Debug(string, map[string]any)           {}
func (l clientLog) Info(msg string, fields map[string]any) { l.log(slog.LevelDebug, msg, fields) }

func (l clientLog) Error(msg string, fields map[string]any) { l.log(slog.LevelWarn, msg, fields) }
func (l clientLog) Level(string)                            {}
func (l clientLog) OutputPath(string) error                 { return nil }

func (l clientLog) Warning(msg string, fields map[string]any) {
	if msg == illegalOffset {
		pullRefused(fmt.Sprint(fields[rlog.LogKeyPullRequest]))
	}
	if routine[msg] {
		l.log(slog.LevelDebug, msg, fields)
		return
	}
	l.log(slog.LevelWarn, msg, fields)
}

// Fatal must not end the process. T41: the library's own logger would, and only main decides that.
func (l clientLog) Fatal(msg string, fields map[string]any) { l.log(slog.LevelError, msg, fields) }

func (l clientLog) log(level slog.Level, msg string, fields map[string]any) {
	if !l.logger.Enabled(context.Background(), level) {
		return
	}

	attrs := make([]slog.Attr, 0, len(fields))
	for key, value := range fields {
		if !confidential[key] {
			// Printed here, because the library goes on changing what some of the values point to.
			attrs = append(attrs, slog.String(key, fmt.Sprint(value)))
		}
	}
	l.logger.LogAttrs(context.Background(), level, msg, attrs...)
}
