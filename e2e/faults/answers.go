package faults

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
)

// ErrAnswerLost is what a client gets instead of an answer that Answers has lost.
var ErrAnswerLost = errors.New("the answer was lost")

// Answers is a client's transport that can lose the answers to requests which the server has
// carried out. Safe for concurrent use.
type Answers struct {
	Next  http.RoundTripper
	Power *Switch // nil: on

	every  atomic.Int64
	suffix atomic.Value // string
	seen   atomic.Int64
	lost   atomic.Int64
}

// Lose makes every n-th answer to a POST whose path ends in suffix get lost; 0 ends it.
func (a *Answers) Lose(suffix string, n int64) {
	a.suffix.Store(suffix)
	a.every.Store(n)
}

// Fired is how many answers were lost.
func (a *Answers) Fired() int64 { return a.lost.Load() }

// RoundTrip implements http.RoundTripper.
func (a *Answers) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := a.Next.RoundTrip(req)
	every := a.every.Load()
	if err != nil || every == 0 || req.Method != http.MethodPost ||
		!strings.HasSuffix(req.URL.Path, a.suffix.Load().(string)) {
		return res, err
	}

	if a.seen.Add(1)%every != 0 {
		return res, nil
	}
	a.lost.Add(1)
	if !a.Power.On() {
		return res, nil
	}
	return nil, errors.Join(ErrAnswerLost, res.Body.Close())
}
