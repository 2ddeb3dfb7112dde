package faults_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"settlement/e2e/faults"
)

func switchedOff() *faults.Switch {
	power := &faults.Switch{}
	power.Off()
	return power
}

// Rules of a pair that is switched off fire and change nothing. Whatever a case sees then is no
// effect of its fault.
func TestSwitchedOffFramesPass(t *testing.T) {
	for _, do := range []faults.FrameEffect{
		faults.DropRequest, faults.DropAnswer, faults.Twice, faults.Delay, faults.CutRequest,
		faults.CutAnswer,
	} {
		p, client, server := conversation(t)
		p.Obey(switchedOff())
		then := false
		rule := &faults.FrameRule{
			Codes: []int{faults.SendMessage}, Do: do, For: time.Hour, Then: func() { then = true },
		}
		p.Add(rule)
		p.Freeze()
		p.Cut()
		p.Slow(time.Hour, 0)

		client.send(header{Code: faults.SendMessage, Opaque: 1}, "it")
		if _, body := server.next(); body != "it" {
			t.Errorf("effect %d: the server got %q", do, body)
		}
		server.send(header{Opaque: 1, Flag: flagAnswer}, "done")
		if _, body := client.next(); body != "done" || rule.Fired() != 1 || !then {
			t.Errorf("effect %d: answer %q, fired %d times, Then was called: %t; want it to fire and to pass",
				do, body, rule.Fired(), then)
		}
	}
}

func TestSwitchedOffTransactionsAndAnswersPass(t *testing.T) {
	eachTable(t, func(t *testing.T, n table) {
		n.proxy.Obey(switchedOff())
		for i, at := range []faults.SQLMoment{faults.AtStatement, faults.BeforeCommit, faults.AfterCommit} {
			rule := &faults.SQLRule{Touching: "INSERT INTO numbers", At: at, Limit: 1, Do: faults.Cut}
			n.proxy.Add(rule)
			if err := n.insert(t.Context(), i); err != nil || !n.has(t, i) || rule.Fired() != 1 {
				t.Errorf("moment %d: error %v, fired %d times; want it to fire and the transaction to pass",
					at, err, rule.Fired())
			}
			n.proxy.Clear()
		}
	})

	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	answers := &faults.Answers{Next: http.DefaultTransport, Power: switchedOff()}
	answers.Lose("/settle", 1)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/settle", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := answers.RoundTrip(req)
	if err != nil || answers.Fired() != 1 {
		t.Fatalf("error %v, fired %d times; want it to fire and the answer to pass", err, answers.Fired())
	}
	_ = res.Body.Close()
}

func TestASwitchDoesUntilItIsOff(t *testing.T) {
	broken := errors.New("broken")
	act := func() error { return broken }
	var on *faults.Switch
	if err := on.Do(act); !errors.Is(err, broken) {
		t.Errorf("no switch: %v, want the fault", err)
	}
	if err := (&faults.Switch{}).Do(act); !errors.Is(err, broken) {
		t.Errorf("a switch that is on: %v, want the fault", err)
	}
	if err := switchedOff().Do(act); err != nil {
		t.Errorf("a switch that is off: %v, want nothing", err)
	}
}
