package rocketmq

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// T52: when a broker has refused the offset that the library asked for, the library says so only in
// its log. It then waits 10 s and goes on where the broker has told it to. There are three reasons:
// the offset is beyond the end (T3: see loss.go), its message has expired unread (T5: it is passed
// over), or an operator has set the group's offset back with mqadmin.
//
// T53: an operator's reset is in danger until the queue has begun again, because the library goes
// on writing its old offset over it. So the offset that was set is read at once and kept until
// messages come from there. A stop in between leaves the group there. A process that is killed by
// SIGKILL in those 10 s loses the reset, and the operator has to set it again.

const (
	illegalOffset = "the pull request offset illegal"
	// askTimeout bounds the questions about one refused offset.
	askTimeout = 5 * time.Second
)

// pullRequestText is how the library prints a pull request.
var pullRequestText = regexp.MustCompile(
	`^\[ConsumerGroup: (.*), Topic: (.*), MessageQueue: brokerName=(.*), queueId=(\d+), nextOffset=(-?\d+)\]$`)

// running holds the consumers of this process. The library has one log for the process, so each
// warning has to find its consumer.
var running struct {
	mu        sync.Mutex
	consumers map[*Consumer]bool
}

func (c *Consumer) listen(on bool) {
	running.mu.Lock()
	defer running.mu.Unlock()
	if running.consumers == nil {
		running.consumers = map[*Consumer]bool{}
	}
	if on {
		running.consumers[c] = true
	} else {
		delete(running.consumers, c)
	}
}

// pullRefused is called for every warning illegalOffset of the library, with the pull request as
// the library prints it.
func pullRefused(request string) {
	found := pullRequestText.FindStringSubmatch(request)
	if found == nil {
		return
	}

	queue, _ := strconv.Atoi(found[4])             // digits
	asked, _ := strconv.ParseInt(found[5], 10, 64) // digits
	key := queueKey{broker: found[3], queue: queue}

	running.mu.Lock()
	defer running.mu.Unlock()
	for c := range running.consumers {
		if c.cfg.Group == found[1] && c.cfg.Topic == found[2] {
			c.offsetRefused(key, asked)
		}
	}
}

// offsetRefused finds out, without holding up the library, why a broker has refused an offset of a
// queue.
func (c *Consumer) offsetRefused(key queueKey, asked int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == nil || c.session.abandoned || !c.ours(key) {
		return
	}

	c.asking++
	go func() {
		defer func() {
			c.mu.Lock()
			c.asking--
			c.mu.Unlock()
		}()

		ctx, cancel := context.WithTimeout(c.handlers, askTimeout)
		defer cancel()
		if err := c.explainRefusal(ctx, key, asked); err != nil {
			c.logger.Warn("the broker has refused this consumer's offset, and does not say why",
				"broker", key.broker, "queue", key.queue, "offset", asked, "error", err)
		}
	}()
}

func (c *Consumer) explainRefusal(ctx context.Context, key queueKey, asked int64) error {
	queues, err := c.readable(ctx)
	if err != nil {
		return err
	}

	for _, q := range queues {
		if (queueKey{q.Broker, q.ID}) != key {
			continue
		}

		lag, err := c.admin.queueLag(ctx, q, c.cfg.Group)
		if err != nil {
			return err
		}
		beyond := asked > lag.Max
		passesOver := beyond && c.passesOver(ctx, q, asked, lag.Max)

		c.mu.Lock()
		defer c.mu.Unlock()
		known := c.progress(key)
		switch {
		case passesOver:
			look := queueLook{queue: q, lag: lag}
			c.lose(look, known.acked, fmt.Sprintf("it ended at %d, and this consumer had read up to %d",
				lag.Max, asked))
			select {
			case c.wake <- struct{}{}:
			default: // a look is due already
			}
		case beyond:
			c.logger.Warn("the broker was behind with the end of this queue: messages come again",
				"broker", key.broker, "queue", key.queue, "ended", lag.Max, "offset", asked)
		case asked < lag.Min:
			c.logger.Error("messages of this queue have expired before they were consumed",
				"broker", key.broker,
				"queue", key.queue, "from", asked, "to", lag.Min-1, "messages", lag.Min-asked)
		default:
			known.resetTo = max(lag.Committed, 0)
			// The library may have written its own offset over the operator's already. An earlier
			// look may have seen the operator's (setBack).
			if lag.Committed == known.acked && known.setBack != noOffset {
				known.resetTo = known.setBack
			}
			c.logger.Warn("an operator has set the offset of this queue: going on from there within 40 s",
				"broker", key.broker, "queue", key.queue, "from", asked, "to", known.resetTo)
		}
		return nil
	}
	return fmt.Errorf("queue %d of broker %s is not in the topic's route", key.queue, key.broker)
}

// passesOver says whether the library leaves out messages that no handler had. After a refusal the
// library goes on where the queue ended at that time. It leaves nothing out when the broker was
// only behind with the end, as one that has just started may be. In that case the handlers had all
// messages up to that end, the queue soon ends at asked again, and it still has what the handlers
// acknowledged. When a question fails, passesOver says true, because repeats do no harm.
func (c *Consumer) passesOver(ctx context.Context, q Queue, asked, ended int64) bool {
	a := c.activity()(queueKey{q.Broker, q.ID})
	if ended > a.acked {
		return true
	}

	for range startLooks - 1 {
		if pause(ctx, startPause) != nil {
			return true
		}
		end, err := c.admin.MaxOffset(ctx, q)
		if err != nil {
			return true
		}
		if end < asked {
			continue
		}

		later, err := c.admin.firstStoredAt(ctx, q, a.storedUntil+1)
		return err != nil || later < a.acked
	}
	return true
}
