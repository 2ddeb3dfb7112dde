package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// resetToBeginning sets a group's offsets to the beginning as `mqadmin resetOffsetByTime -s 0`
// does.
func resetToBeginning(t *testing.T, admin *Admin, q Queue, group string) {
	t.Helper()
	_, err := admin.remoting.ask(t.Context(), q.Addr, requestResetOffset, map[string]string{
		"topic": q.Topic, "group": group, "timestamp": "0", "isForce": "true", "queueId": "-1",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// T53: an operator sets the offsets back while a consumer runs. The consumer is stopped at each
// moment of what follows: before the library knows, while it waits 10 s and writes its old offset,
// and when messages have come again.
func TestAnOperatorsResetOutlivesAStop(t *testing.T) {
	const count = 100
	for name, until := range map[string]func(t *testing.T, c *Consumer, p *Producer, r *record){
		"at once": func(*testing.T, *Consumer, *Producer, *record) {},
		"when the library knows": func(t *testing.T, c *Consumer, p *Producer, _ *record) {
			publish(t, p, c.cfg.Topic, 0, 1, count, 1) // ends the pull that is waiting
			awaitReset(t, c)
		},
		"when the library has written its old offset": func(t *testing.T,
			c *Consumer, p *Producer, _ *record,
		) {
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

// A group's offset may go back a little when an older one that the library has sent arrives late.
// It counts as an operator's reset only when it is behind the offset of long ago.
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
		{staleAfter, 150, noOffset}, // sent less than staleAfter ago
		{2 * staleAfter, 400, noOffset},
		{2 * staleAfter, 290, 290},
		{2 * staleAfter, -1, 0},
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

// A broker that is behind with the end of a queue has lost nothing. The queue begins again only
// where messages would be left out. A real broker cannot be made to be behind, so a scripted one
// answers here.
func TestAnOffsetBeyondTheEndIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	const asked, storedUntil = 100, 5000
	for name, test := range map[string]struct {
		ends  []int64 // as the broker says one after the other, then always the last
		later int64   // first message that was stored after what was acknowledged
		acked int64
		want  bool
	}{
		"behind, all handled":          {[]int64{95, 95, 100}, 100, 100, false},
		"behind, handled to the end":   {[]int64{90, 120}, 110, 90, false},
		"behind, read but not handled": {[]int64{95, 100}, 100, 90, true},
		"behind, nothing handled yet":  {[]int64{95, 100}, 100, noOffset, true},
		"stays":                        {[]int64{95}, 95, 100, true},
		"lost, and fast grown":         {[]int64{95, 500}, 60, 100, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testConsumerOf(t, scriptedBroker(t, test.ends, test.later))
			key := queueKey{"b", 0}
			q := c.progress(key)
			q.acked, q.ackedFrom, q.storedUntil = test.acked, 0, storedUntil

			if err := c.explainRefusal(t.Context(), key, asked); err != nil {
				t.Fatal(err)
			}

			if c.lost[key] != test.want || q.resetTo != noOffset {
				t.Errorf("begins again: %v, want %v; reset to %d", c.lost[key], test.want, q.resetTo)
			}
		})
	}
}

func testConsumerOf(t *testing.T, namesrv string) *Consumer {
	t.Helper()
	c, err := NewOrderlyConsumer(ConsumerConfig{
		Namesrv: namesrv, Group: "g", Topic: "t", BatchMax: 8, Logger: testLogger(t),
	}, func(context.Context, []Delivery) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, c) })
	return c
}

// scriptedBroker is a name server and a broker b with one queue of topic t.
func scriptedBroker(t *testing.T, ends []int64, later int64) (addr string) {
	t.Helper()
	var asked atomic.Int32
	return serve(t, func(conn net.Conn, _ int32) {
		for {
			request, err := readFrame(conn)
			if err != nil {
				return
			}

			offset := int64(0)
			switch request.Code {
			case requestMaxOffset:
				offset = ends[min(int(asked.Add(1)), len(ends))-1]
			case requestOffsetByTime:
				offset = later
			}

			answer := command{
				Opaque: request.Opaque, Flag: flagResponse,
				ExtFields: map[string]string{"offset": fmt.Sprint(offset)},
			}
			if request.Code == requestRoute {
				answer.Body = fmt.Appendf(nil,
					`{"queueDatas":[{"brokerName":"b","readQueueNums":1,"perm":%d}],`+
						`"brokerDatas":[{"brokerName":"b","brokerAddrs":{"0":%q}}]}`, permRead,
					conn.LocalAddr())
			}

			frame, err := encodeFrame(answer)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := conn.Write(frame); err != nil {
				return
			}
		}
	})
}

// A message that was stored later than what this session acknowledged shows a loss only among the
// acknowledged ones. Before them it shows none: the broker's clock may have been set back since.
func TestOnlyWhatThisSessionAcknowledgedCanBeRewritten(t *testing.T) {
	s, _ := testSession(t, func(context.Context, []Delivery) error { return nil })
	c, key := s.consumer, queueKey{"b", 3}
	batch := func(first, count int64, ms int64) (batch []Delivery) {
		for i := range count {
			batch = append(batch, Delivery{Offset: first + i, StoredAt: time.UnixMilli(ms)})
		}
		return batch
	}

	q := c.progress(key)
	if c.activity()(key).hasAcknowledged(0) {
		t.Error("acknowledged before the first acknowledgement")
	}

	q.acknowledge(batch(50, 10, 7000))
	q.acknowledge(batch(60, 10, 5000)) // the clock was set back
	for offset, want := range map[int64]bool{0: false, 49: false, 50: true, 69: true, 70: false} {
		if a := c.activity()(key); a.hasAcknowledged(offset) != want || a.storedUntil != 7000 {
			t.Errorf("%d acknowledged: want %v: %+v", offset, want, a)
		}
	}

	// Messages in a gap were not seen.
	q.acknowledge(batch(80, 10, 6000))
	for offset, want := range map[int64]bool{69: false, 79: false, 80: true, 89: true} {
		if a := c.activity()(key); a.hasAcknowledged(offset) != want || a.storedUntil != 6000 {
			t.Errorf("%d acknowledged behind a gap: want %v: %+v", offset, want, a)
		}
	}
}
