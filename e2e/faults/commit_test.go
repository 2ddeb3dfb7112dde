package faults_test

import (
	"testing"

	"settlement/e2e/faults"
)

// A pull commits an offset beside what it asks for (bit 0 of sysFlag).
func TestAPullIsStrippedOfItsCommitOnly(t *testing.T) {
	p, client, server := conversation(t)
	rule := &faults.FrameRule{Codes: []int{faults.PullMessage}, Group: "g", Do: faults.StripCommit}
	p.Add(rule)
	asked := map[string]string{
		"consumerGroup": "g", "topic": "t", "queueId": "3", "sysFlag": "7", "commitOffset": "42",
	}

	client.send(header{Code: faults.PullMessage, Opaque: 1 << 30, ExtFields: asked}, "body")
	got, body := server.next()
	if got.Code != faults.PullMessage || got.Opaque != 1<<30 || body != "body" || rule.Fired() != 1 {
		t.Errorf("the server got %+v with body %q, the rule fired %d times", got, body, rule.Fired())
	}
	for name, value := range asked {
		if name == "sysFlag" {
			value = "6"
		}
		if got.ExtFields[name] != value {
			t.Errorf("%s is %q, want %q", name, got.ExtFields[name], value)
		}
	}

	client.send(header{
		Code: faults.PullMessage, Opaque: 2,
		ExtFields: map[string]string{"consumerGroup": "other", "sysFlag": "7"},
	}, "")
	if got, _ := server.next(); got.ExtFields["sysFlag"] != "7" {
		t.Errorf("another group's pull came with sysFlag %s", got.ExtFields["sysFlag"])
	}
}
