package faults_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"settlement/e2e/faults"
)

func TestAnswersAreLostAfterTheServerDidIt(t *testing.T) {
	var done atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		done.Add(1)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer server.Close()

	answers := &faults.Answers{Next: http.DefaultTransport}
	call := func(method, path string) (lost bool) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := (&http.Client{Transport: answers}).Do(req)
		if err != nil && !errors.Is(err, faults.ErrAnswerLost) {
			t.Fatal(err)
		}
		if err == nil {
			_ = res.Body.Close()
		}
		return err != nil
	}

	if call(http.MethodPost, "/orders/1/settle") {
		t.Error("lost an answer before anybody asked for it")
	}

	answers.Lose("/settle", 2)
	for i, want := range []bool{false, true, false, true} {
		if got := call(http.MethodPost, "/orders/1/settle"); got != want {
			t.Errorf("call %d: lost is %t, want %t", i, got, want)
		}
		if call(http.MethodPost, "/orders") || call(http.MethodGet, "/orders/1/settle") {
			t.Error("lost an answer to another request")
		}
	}

	answers.Lose("", 0)
	for range 2 {
		if call(http.MethodPost, "/orders/1/settle") {
			t.Error("lost an answer after the end")
		}
	}

	if n := answers.Fired(); n != 2 {
		t.Errorf("fired %d times, want 2", n)
	}
	if n := done.Load(); n != 1+4*3+2 {
		t.Errorf("the server did %d requests, want %d: those whose answer is lost too", n, 1+4*3+2)
	}
}
