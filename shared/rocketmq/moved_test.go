package rocketmq

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// resetToBeginning sets a group's offsets to the beginning as `mqadmin resetOffsetByTime -s 0` does.
func resetToBeginning(t *testing.T, admin *Admin, q Queue, group string) {
	t.Helper()
	_, err := admin.remoting.ask(t.Context(), q.Addr, requestResetOffset, map[string]string{
		"topic": q.Topic, "group": group, "timestamp": "0", "isForce": "true", "queueId": "-1",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// An operator sets the offsets back while a consumer runs, which is stopped at each moment of what follows: before the
// library knows, while it waits 10 s and writes its old offset, and when messages have come again.
func TestAnOperatorsResetOutlivesAStop(t *testing.T) {
	const count = 100
	for name, until := range map[string]func(t *testing.T, c *Consumer, p *Producer, r *record){
		"at once": func(*testing.T, *Consumer, *Producer, *record) {},
		"when the library knows": func(t *testing.T, c *Consumer, p *Producer, _ *record) {
			publish(t, p, c.cfg.Topic, 0, 1, count, 1) // ends the pull that waits
			awaitReset(t, c)
		},
		"when the library has written its old offset": func(t *testing.T, c *Consumer, p *Producer, _ *record) {
			publish(t, p, c.cfg.Topic, 0, 1, count, 1)
			awaitReset(t, c)
			awaitCommitted(t, c.admin, onlyQueue(t, c.admin, c.cfg.Topic), c.cfg.Group, count)
		},
		"when messages come again": func(t *testing.T, _ *Consumer, _ *Producer, r *record) {
			eventually(t, 2*received, r.atLeast(2*count))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			topic, group, p, admin := testTopic(t, 1), testGroup(), testProducer(t), testAdmin(t)
			q := onlyQueue(t, admin, topic)
			publish(t, p, topic, 0, 1, 0, count)
			var before, after record
			c := startConsumer(t, topic, group, 32, before.handle)
			eventually(t, received, before.atLeast(count))
			awaitCommitted(t, admin, q, group, count)

			resetToBeginning(t, admin, q, group)
			until(t, c, p, &before)
			stop(t, c)
			again := before.count() >= 2*count
			startConsumer(t, topic, group, 32, after.handle)
			if again {
				publish(t, p, topic, 0, 1, count, 1)
				eventually(t, received, after.atLeast(1))
				wantBodies(t, after.bodies(0), numbers(count, 1))
				return
			}
			eventually(t, 2*received, func() error { return wantAll(&after, 0, count) })
			wantBodies(t, after.bodies(0)[:count], numbers(0, count))
		})
	}
}

// awaitReset waits until the library has been told of the reset.
func awaitReset(t *testing.T, c *Consumer) {
	t.Helper()
	eventually(t, received, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, q := range c.queues {
			if q.resetTo != noOffset {
				return nil
			}
		}
		return errors.New("the library was not told of a reset")
	})
}

// A group's offset may go back a little by what the library has sent before; only behind what it was long ago is it
// somebody's doing.
func TestSetBackIsToldFromLate(t *testing.T) {
	var q queueProgress
	q.begin()
	start := time.Unix(1000, 0)
	for i, step := range []struct {
		after     time.Duration
		committed int64
		want      int64
	}{
		{0, 100, noOffset},
		{staleAfter / 2, 200, noOffset},
		{staleAfter / 2, 150, noOffset},
		{staleAfter, 300, noOffset},
		{2 * staleAfter, 400, noOffset},
		{2 * staleAfter, 290, 290},
		{2 * staleAfter, -1, 0},
		{staleAfter, 150, noOffset}, // on its way since less than staleAfter
		{2 * staleAfter, 400, noOffset},
	} {
		if q.committed(start.Add(step.after), step.committed); q.setBack != step.want {
			t.Errorf("step %d: set back to %d, want %d", i, q.setBack, step.want)
		}
	}
	q.committed(start.Add(3*staleAfter), 0)
	q.acked = 400
	q.acknowledge([]Delivery{{Offset: 0}})
	if q.setBack != noOffset || q.floor != noOffset || q.heldAt() != noOffset {
		t.Errorf("still held after messages came again: %s", fmt.Sprintf("%+v", q))
	}
}
