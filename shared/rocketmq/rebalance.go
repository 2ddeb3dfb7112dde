package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

const (
	// handoverTimeout bounds handOver, the wait for the handlers of the queues that went to other
	// consumers included.
	handoverTimeout = 30 * time.Second
	// handoverPoll is the time between two looks at these handlers. The library gets as long to let
	// the queues go.
	handoverPoll = 200 * time.Millisecond
)

// allocate shares the queues out evenly, as the library does by default, and notes which are ours.
// The library calls it at every rebalance.
func (s *session) allocate(
	group, clientID string, all []*primitive.MessageQueue, clients []string,
) []*primitive.MessageQueue {
	c := s.consumer
	// T29: a broker lists a client once for each of its connections, also for one that has ended
	// without the broker's notice.
	clients = slices.Compact(slices.Clone(clients)) // the library has sorted them
	ours := consumer.AllocateByAveragely(group, clientID, all, clients)
	if len(all) == 0 || all[0].Topic != c.cfg.Topic {
		return ours // queues of %RETRY%<group>, to which the library subscribes by itself
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	s.clientID = clientID
	if s.abandoned {
		return nil
	}

	// T29: a broker that has just restarted does not know us before we have dialled it again. The
	// library would drop all queues until the next rebalance after that. So they stay ours, as far
	// as the broker gives us the locks.
	if !slices.Contains(clients, clientID) {
		return s.share
	}

	before := s.assigned
	s.share = ours
	s.assigned = make(map[queueKey]bool, len(ours))
	for _, mq := range ours {
		s.assigned[queueKey{mq.BrokerName, mq.QueueId}] = true
	}

	var lost []queueKey
	for key := range before {
		if !s.assigned[key] {
			lost = append(lost, key)
		}
	}
	if len(lost) > 0 {
		go s.handOver(clientID, lost)
	}
	return ours
}

// handOver gives the queues that a rebalance took away to their next consumer. It waits for their
// handlers, commits what they acknowledged, sets the queues that have to begin again to their
// oldest message, and unlocks them. T26: the library does none of this. Without handOver the next
// consumer gets again what a handler acknowledges now, and waits for the locks to expire. When
// handOver fails, the same happens.
func (s *session) handOver(clientID string, lost []queueKey) {
	c := s.consumer
	ctx, cancel := context.WithTimeout(c.handlers, handoverTimeout)
	defer cancel()

	for {
		// Wait before the first look too, because the library is still letting the queues go.
		select {
		case <-ctx.Done():
			if c.handlers.Err() == nil {
				c.logger.Warn("queues that went to other consumers stay locked until the lock expires: their handlers are still under way")
			}
			return
		case <-time.After(handoverPoll):
		}

		ended := true
		c.mu.Lock()
		for _, key := range lost {
			if q := c.queues[key]; q != nil && q.busy {
				ended = false
			}
		}
		c.mu.Unlock()
		if ended {
			break
		}
	}

	offsets, set := map[queueKey]int64{}, map[queueKey]int64{}
	var again []queueKey
	c.mu.Lock()
	// A queue that has come back meanwhile keeps its lock.
	lost = slices.DeleteFunc(lost, func(key queueKey) bool { return s.assigned[key] })
	for _, key := range lost {
		q := c.progress(key)
		if c.lost[key] {
			again = append(again, key)
		} else if at := q.heldAt(); at != noOffset {
			set[key] = at
		} else if q.acked != noOffset {
			offsets[key] = q.acked
		}
		q.begin() // the next consumer goes on from there
	}
	c.mu.Unlock()

	oldest, err := c.oldest(ctx, again)
	maps.Copy(set, oldest)
	if err := errors.Join(err, c.commitOffsets(ctx, offsets),
		c.setOffsets(ctx, set, settleTime)); err != nil {
		c.logger.Warn("queues went to other consumers without their last offsets", "error", err)
	} else {
		c.begun(oldest)
	}

	if err := c.unlockQueues(ctx, clientID, lost); err != nil {
		c.logger.Warn("queues that went to other consumers stay locked until the lock expires", "error", err)
	}
}

// unlockQueues gives up the locks that a client of this group has on these queues.
func (c *Consumer) unlockQueues(ctx context.Context, clientID string, keys []queueKey) error {
	if len(keys) == 0 {
		return nil
	}
	queues, err := c.readable(ctx)
	if err != nil {
		return err
	}

	byAddr := map[string][]Queue{}
	for _, q := range queues {
		if slices.Contains(keys, queueKey{q.Broker, q.ID}) {
			byAddr[q.Addr] = append(byAddr[q.Addr], q)
		}
	}

	for addr, queues := range byAddr {
		if err := c.admin.unlock(ctx, addr, c.cfg.Group, clientID, queues); err != nil {
			return fmt.Errorf("unlock %d queues: %w", len(queues), err)
		}
	}
	return nil
}
