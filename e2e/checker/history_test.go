package checker_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"settlement/e2e/checker"
)

// post sends one POST through a history and returns the answer's body.
func post(t *testing.T, h *checker.History, next http.RoundTripper, key, url, body string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}

	res, err := (&http.Client{Transport: h.Transport(next)}).Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return string(answer), err
}

func TestOutcomes(t *testing.T) {
	type answer struct {
		status int
		body   string
	}
	answers := map[string]answer{
		"/ok":        {202, `{"a":1}`},
		"/refused":   {409, `{"code":"order_not_settleable"}`},
		"/in-flight": {409, `{"code":"idempotency_key_in_flight"}`},
		"/reused":    {422, `{"code":"idempotency_key_reused"}`},
		"/away":      {503, `{"code":"unavailable"}`},
		"/no-json":   {404, `<html>`},
	}

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken-off" {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"a":`)
			return
		}
		sent, _ := io.ReadAll(r.Body)
		if string(sent) != "body of "+r.URL.Path {
			t.Errorf("%s received %q", r.URL.Path, sent)
		}
		a := answers[r.URL.Path]
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}))
	defer server.Close()

	for path, want := range map[string]checker.Outcome{
		"/ok": checker.OK, "/refused": checker.Failed, "/in-flight": checker.Unknown,
		"/reused": checker.Failed,
		"/away":   checker.Unknown, "/no-json": checker.Failed, "/broken-off": checker.Unknown,
	} {
		h := checker.NewHistory()
		got, err := post(t, h, http.DefaultTransport, "k", server.URL+path, "body of "+path)
		calls := h.Calls()
		if len(calls) != 1 || len(calls[0].Attempts) != 1 {
			t.Fatalf("%s: recorded %+v", path, calls)
		}

		c, a := calls[0], calls[0].Attempts[0]
		if c.Key != "k" || c.Path != path || string(c.Body) != "body of "+
			path || a.Ended.Before(a.Began) || a.Outcome != want {
			t.Errorf("%s: recorded %+v, want outcome %s", path, c, want)
		}

		if path == "/broken-off" {
			if err == nil || a.Status != 0 || a.Answer != nil {
				t.Errorf("%s: error %v, recorded %+v", path, err, a)
			}
			continue
		}
		if err != nil || got != answers[path].body || string(a.Answer) != got ||
			a.Status != answers[path].status {
			t.Errorf("%s: client got %q and %v, recorded %+v", path, got, err, a)
		}
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestOnlyPostsWithAKeyAreRecorded(t *testing.T) {
	h := checker.NewHistory()
	next := transport(func(*http.Request) (*http.Response, error) { return nil, errors.New("no server") })
	if _, err := post(t, h, next, "", "http://x/v1/orders", ""); err == nil {
		t.Error("a POST without a key got no error")
	}

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/v1/orders", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Idempotency-Key", "k")
	if res, err := h.Transport(next).RoundTrip(req); err == nil {
		res.Body.Close()
		t.Error("a GET got no error")
	}

	if calls := h.Calls(); len(calls) != 0 {
		t.Errorf("recorded %+v", calls)
	}
}

func TestCallsAreByKeyInTheOrderOfTheFirstAttempt(t *testing.T) {
	h := checker.NewHistory()
	next := transport(func(*http.Request) (*http.Response, error) { return nil, errors.New("lost") })
	for _, call := range [][2]string{{"b", "1"}, {"a", "2"}, {"b", "3"}, {"b", "1"}} {
		_, _ = post(t, h, next, call[0], "http://x/p", call[1])
	}

	var got []string
	for _, c := range h.Calls() {
		got = append(got, fmt.Sprintf("%s%s*%d", c.Key, c.Body, len(c.Attempts)))
	}
	if want := "b1*2 b3*1 a2*1"; strings.Join(got, " ") != want {
		t.Errorf("calls %v, want %s", got, want)
	}
}

func TestAttemptsAtTheSameTime(t *testing.T) {
	h := checker.NewHistory()
	arrived, answer := make(chan struct{}), make(chan struct{})
	next := transport(func(*http.Request) (*http.Response, error) {
		arrived <- struct{}{}
		<-answer
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("{}"))}, nil
	})

	const n = 50
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := post(t, h, next, "k", "http://x/p", "b"); err != nil {
				t.Error(err)
			}
		})
	}
	for range n {
		<-arrived
	}

	for _, a := range h.Calls()[0].Attempts {
		if a.Outcome != checker.Unknown || !a.Ended.IsZero() {
			t.Fatalf("an attempt under way is %+v", a)
		}
	}

	close(answer)
	wg.Wait()
	calls := h.Calls()
	if len(calls) != 1 || len(calls[0].Attempts) != n {
		t.Fatalf("recorded %+v", calls)
	}

	for _, a := range calls[0].Attempts {
		if a.Outcome != checker.OK || a.Ended.IsZero() {
			t.Errorf("an attempt that has ended is %+v", a)
		}
	}
}
