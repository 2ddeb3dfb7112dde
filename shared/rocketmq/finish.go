package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	// settleTime is how long an offset has to stay where it was set. An offset that a client sent
	// before it was closed may still arrive, over another connection.
	settleTime = time.Second
	settlePoll = 100 * time.Millisecond
	askingPoll = 20 * time.Millisecond
	// lastLookTimeout leaves time for the commit and the shutdown when a broker is silent.
	lastLookTimeout = 2 * time.Second
)

// finish commits what was acknowledged and shuts the library's consumer down.
func (s *session) finish(ctx context.Context) error {
	c := s.consumer
	c.lastLook(ctx)

	// T10: commit before the shutdown, which unlocks the queues first and sends the offsets
	// afterwards. A consumer that takes a queue over in between would begin with the old offset.
	before := s.commit(ctx)
	held, err := c.held(ctx)
	if err != nil {
		return errors.Join(before, err, s.shutdown(ctx))
	}
	if len(held) > 0 {
		return errors.Join(before, s.abandon(ctx, held))
	}

	if err := s.shutdown(ctx); err != nil {
		return errors.Join(err, before)
	}
	// T54: commit once more, because a pull carries an offset too. A pull that was under way may
	// have set the offset back.
	return s.commit(ctx)
}

// abandon shuts the library's consumer down without letting it write the offsets of the held
// queues. An ordinary shutdown would unlock these queues and then write the offsets that the
// library knows. A consumer that takes a queue over in between, or a little later, would begin
// there. So the library first has to let all queues go: it forgets their offsets, and the broker's
// locks stay. Then the offsets are set, and only then the locks are given up.
func (s *session) abandon(ctx context.Context, held map[queueKey]int64) error {
	c := s.consumer
	c.mu.Lock()
	s.abandoned = true
	clientID, ours := s.clientID, slices.Collect(maps.Keys(s.assigned))
	c.mu.Unlock()
	s.client.Rebalance()

	err := errors.Join(s.shutdown(ctx), c.setOffsets(ctx, held, settleTime), s.commit(ctx))
	if err == nil {
		c.begun(held)
	}
	return errors.Join(err, c.unlockQueues(ctx, clientID, ours))
}

// shutdown ends the library's consumer.
func (s *session) shutdown(ctx context.Context) error {
	done := make(chan error, 1)
	// T10: shut down in a goroutine, because the library waits up to 15 s for each queue when the
	// broker is away.
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- fmt.Errorf("panic in the RocketMQ client's shutdown: %v", r)
			}
		}()
		done <- s.client.Shutdown()
	}()

	defer s.gateway.shutdown()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("RocketMQ client's shutdown: %w", ctx.Err())
	}
}

// lastLook finds the queues that were lost or set back since the watchdog looked. Their offsets
// must not be committed.
func (c *Consumer) lastLook(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastLookTimeout)
	defer cancel()

	for {
		c.mu.Lock()
		asking := c.asking
		c.mu.Unlock()
		if asking == 0 || pause(ctx, askingPoll) != nil {
			break
		}
	}

	for range lossLooks {
		_, doubtful, err := c.lookAtQueues(ctx)
		if err != nil || !doubtful || pause(ctx, startPause) != nil {
			return // a broker that does not answer takes no commit either
		}
	}
}

// held returns the queues whose offsets the library must not commit, and the offsets that they must
// have. A queue that has to begin again belongs at its oldest message. A queue whose offset an
// operator has set stays there.
func (c *Consumer) held(ctx context.Context) (map[queueKey]int64, error) {
	var lost []queueKey
	held := map[queueKey]int64{}

	c.mu.Lock()
	for key := range c.lost {
		if c.ours(key) {
			lost = append(lost, key)
		}
	}
	for key, q := range c.queues {
		if at := q.heldAt(); at != noOffset && !c.lost[key] {
			held[key] = at
			c.logger.Warn("an operator has set the offset of this queue: leaving it there, what was acknowledged comes again",
				"broker", key.broker, "queue", key.queue, "at", at, "acknowledged", q.acked)
		}
	}
	c.mu.Unlock()
	if len(lost) == 0 {
		return held, nil
	}

	oldest, err := c.oldest(ctx, lost)
	if err != nil {
		return nil, fmt.Errorf("queues that have to begin again: %w", err)
	}
	maps.Copy(held, oldest)
	return held, nil
}

// commit makes sure that the broker's offset of each queue is not behind what the handlers
// acknowledged. T9: the library's own commit may get lost. T11: when one queue moves, the library
// forgets the offsets of all others, and the last messages of an idle queue would come again.
func (s *session) commit(ctx context.Context) error {
	c := s.consumer
	acked := map[queueKey]int64{}
	c.mu.Lock()
	for key, q := range c.queues {
		if q.acked != noOffset && !c.lost[key] && q.heldAt() == noOffset {
			acked[key] = q.acked
		}
	}
	c.mu.Unlock()
	return c.commitOffsets(ctx, acked)
}

// commitOffsets commits offsets to the broker. An offset is only moved forward, because another
// consumer may have gone on, and never beyond the queue's end. T54: the broker would take any
// offset.
func (c *Consumer) commitOffsets(ctx context.Context, offsets map[queueKey]int64) error {
	return c.eachQueue(ctx, offsets, func(q Queue, offset int64) error {
		committed, err := c.admin.CommittedOffset(ctx, q, c.cfg.Group)
		if err != nil || committed >= offset {
			return err
		}

		end, err := c.admin.MaxOffset(ctx, q)
		if err == nil && end < offset {
			err = fmt.Errorf("offset %d of topic %q queue %d is beyond its end %d",
				offset, q.Topic, q.ID, end)
		}
		if err != nil {
			return err
		}
		return c.admin.commitOffset(ctx, q, c.cfg.Group, offset)
	})
}

// setOffsets sets offsets, forward or back, and sets them again until they have stayed there for
// the given time.
func (c *Consumer) setOffsets(ctx context.Context, offsets map[queueKey]int64, stay time.Duration) error {
	until := time.Now().Add(stay)
	for {
		err := c.eachQueue(ctx, offsets, func(q Queue, offset int64) error {
			committed, err := c.admin.CommittedOffset(ctx, q, c.cfg.Group)
			if err != nil || committed == offset {
				return err
			}
			until = time.Now().Add(stay)
			return c.admin.commitOffset(ctx, q, c.cfg.Group, offset)
		})
		if err != nil || !time.Now().Before(until) {
			return err
		}

		if err := pause(ctx, settlePoll); err != nil {
			return fmt.Errorf("offsets that were set do not stay: %w", err)
		}
	}
}

// eachQueue calls do with each of these queues and its offset.
func (c *Consumer) eachQueue(
	ctx context.Context, offsets map[queueKey]int64, do func(Queue, int64) error,
) error {
	if len(offsets) == 0 {
		return nil
	}

	queues, err := c.readable(ctx)
	if err != nil {
		return fmt.Errorf("acknowledged messages will come again, offsets not committed: %w", err)
	}

	found := 0
	for _, q := range queues {
		offset, ok := offsets[queueKey{q.Broker, q.ID}]
		if !ok {
			continue
		}
		found++
		if err := do(q, offset); err != nil {
			return fmt.Errorf("acknowledged messages will come again: %w", err)
		}
	}

	if found < len(offsets) {
		return fmt.Errorf("acknowledged messages of %d queues will come again: their broker is down",
			len(offsets)-found)
	}
	return nil
}

// readable lists the topic's readable queues as the name server gives them. While no name server
// answers, the last list stands: a stop in that time must not make repeats.
func (c *Consumer) readable(ctx context.Context) ([]Queue, error) {
	ctx, cancel := context.WithTimeout(ctx, routeTimeout)
	defer cancel()
	route, err := c.admin.Route(ctx, c.cfg.Topic)

	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.lastRoute = route.Readable
	}
	if len(c.lastRoute) == 0 {
		return nil, err
	}
	return c.lastRoute, nil
}
