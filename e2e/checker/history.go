package checker

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Outcome is what a client knows of an attempt.
type Outcome int

// The outcomes.
const (
	// No whole answer, one of 500 and above, or "still in flight": it may have been done.
	Unknown Outcome = iota
	OK              // 2xx
	Failed          // any other answer: it was not done
)

func (o Outcome) String() string { return [...]string{"unknown", "ok", "failed"}[o] }

// Call is one request of a client with all its attempts. A key that came with two bodies or
// paths has two calls.
type Call struct {
	Key, Path string
	Body      []byte
	Attempts  []Attempt // in the order in which they began
}

// Attempt is one try of a call. Ended is zero while it is under way; Status and Answer are
// zero when no whole answer came.
type Attempt struct {
	Began, Ended time.Time
	Outcome      Outcome
	Status       int
	Answer       []byte
}

// codeInFlight is the code of a 409 that says nothing about the request itself.
const codeInFlight = "idempotency_key_in_flight"

// History is what clients asked and what they were told. It is safe for concurrent use.
type History struct {
	mu    sync.Mutex
	calls map[callID]*Call
}

type callID struct{ key, path, body string }

// NewHistory makes an empty history.
func NewHistory() *History { return &History{calls: map[callID]*Call{}} }

// Calls copies what was recorded, ordered by first attempt, attempts under way included. The
// calls of one key are neighbours.
func (h *History) Calls() []Call {
	h.mu.Lock()
	defer h.mu.Unlock()

	first := map[string]time.Time{} // by key
	calls := make([]Call, 0, len(h.calls))
	for _, c := range h.calls {
		began := c.Attempts[0].Began
		if t, ok := first[c.Key]; !ok || began.Before(t) {
			first[c.Key] = began
		}
		calls = append(calls, Call{
			Key: c.Key, Path: c.Path, Body: c.Body, Attempts: slices.Clone(c.Attempts),
		})
	}

	slices.SortFunc(calls, func(a, b Call) int {
		return cmp.Or(first[a.Key].Compare(first[b.Key]), cmp.Compare(a.Key, b.Key),
			a.Attempts[0].Began.Compare(b.Attempts[0].Began), cmp.Compare(a.Path, b.Path),
			bytes.Compare(a.Body, b.Body))
	})
	return calls
}

// Transport sends by next and records every POST that carries an Idempotency-Key. It reads
// the whole answer before it returns, so that an answer that breaks off is an error and its
// outcome unknown.
func (h *History) Transport(next http.RoundTripper) http.RoundTripper {
	return &recorder{history: h, next: next}
}

type recorder struct {
	history *History
	next    http.RoundTripper
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	key := req.Header.Get("Idempotency-Key")
	if req.Method != http.MethodPost || key == "" {
		return r.next.RoundTrip(req)
	}
	body, err := readAll(req.Body)
	if err != nil {
		return nil, err
	}
	sent := req.Clone(req.Context())
	sent.Body = io.NopCloser(bytes.NewReader(body))

	ended := r.history.begin(callID{key, req.URL.Path, string(body)})
	res, err := r.next.RoundTrip(sent)
	if err != nil {
		ended(0, nil)
		return nil, err
	}
	answer, err := readAll(res.Body)
	if err != nil {
		ended(0, nil)
		return nil, err
	}
	ended(res.StatusCode, answer)
	res.Body = io.NopCloser(bytes.NewReader(answer))
	return res, nil
}

func readAll(body io.ReadCloser) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	defer body.Close()
	return io.ReadAll(body)
}

// begin records an attempt under way and returns what ends it. A status of 0 is no answer.
func (h *History) begin(id callID) (ended func(status int, answer []byte)) {
	h.mu.Lock()
	defer h.mu.Unlock()

	c := h.calls[id]
	if c == nil {
		c = &Call{Key: id.key, Path: id.path, Body: []byte(id.body)}
		h.calls[id] = c
	}
	n := len(c.Attempts)
	c.Attempts = append(c.Attempts, Attempt{Began: time.Now()})

	return func(status int, answer []byte) {
		h.mu.Lock()
		defer h.mu.Unlock()
		a := &c.Attempts[n]
		a.Ended, a.Status, a.Answer, a.Outcome = time.Now(), status, answer, outcomeOf(status, answer)
	}
}

func outcomeOf(status int, answer []byte) Outcome {
	switch {
	case status >= http.StatusOK && status < http.StatusMultipleChoices:
		return OK
	case status == 0, status >= http.StatusInternalServerError, readProblem(answer).Code == codeInFlight:
		return Unknown
	}
	return Failed
}

// problem is what the checker reads of an application/problem+json.
type problem struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// readProblem is empty for an answer that is not a problem.
func readProblem(answer []byte) (p problem) {
	if json.Unmarshal(answer, &p) != nil {
		return problem{}
	}
	return p
}
