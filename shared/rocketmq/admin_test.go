package rocketmq

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
)

func TestAdminOffsetsAgreeWithWhatWasProducedAndConsumed(t *testing.T) {
	t.Parallel()
	topic, group, p, admin := testTopic(t, 3), testGroup(), testProducer(t), testAdmin(t)
	route, err := admin.Route(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	if len(route.Readable) != 3 || !slices.Equal(route.Readable, route.Writable) ||
		route.Readable[2].ID != 2 {
		t.Fatalf("route is %+v, want queues 0 to 2, readable and writable", route)
	}

	broker := route.Readable[0].Broker
	want := func(when string, want ...QueueLag) {
		t.Helper()
		eventually(t, received, func() error { // T57: the end may be behind
			got, err := admin.Lag(t.Context(), topic, group)
			if err != nil {
				return err
			}
			if when == "after the consumer" {
				got[1].Committed = -1 // a queue without messages may be committed at 0 or never
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("lag %s is %+v, want %+v", when, got, want)
			}
			return nil
		})
	}

	want("of an empty topic", QueueLag{broker, 0, 0, 0, -1, 0}, QueueLag{broker, 1, 0, 0, -1, 0},
		QueueLag{broker, 2, 0, 0, -1, 0})

	publish(t, p, topic, 0, 3, 0, 7)
	publish(t, p, topic, 2, 3, 0, 200)
	want("before the first consumer", QueueLag{broker, 0, 0, 7, -1, 7}, QueueLag{broker, 1, 0, 0, -1, 0},
		QueueLag{broker, 2, 0, 200, -1, 200})

	var r record
	c := startConsumer(t, topic, group, 32, r.handle)
	eventually(t, received, r.atLeast(207))
	stop(t, c)
	publish(t, p, topic, 2, 3, 200, 5)
	want("after the consumer", QueueLag{broker, 0, 0, 7, 7, 0}, QueueLag{broker, 1, 0, 0, -1, 0},
		QueueLag{broker, 2, 0, 205, 200, 5})
}

func TestCreateTopic(t *testing.T) {
	t.Parallel()
	admin, topic := testAdmin(t), testTopic(t, 2)
	for _, queues := range []int{2, 5} { // the same again, and another count
		if err := admin.CreateTopic(t.Context(), topic, queues); err != nil {
			t.Fatalf("create with %d queues: %v", queues, err)
		}
		route, err := admin.Route(t.Context(), topic)
		if err != nil || len(route.Writable) != queues {
			t.Errorf("route has %d queues, want %d (error %v)", len(route.Writable), queues, err)
		}
	}

	for _, bad := range []string{"", "a b", "sp?cial"} {
		if err := admin.CreateTopic(t.Context(), bad, 1); err == nil {
			t.Errorf("topic %q was created", bad)
		}
	}

	if err := admin.CreateTopic(t.Context(), topic, 0); err == nil {
		t.Error("topic with 0 queues was created")
	}
}

// T63: when several topics change at once, the name server may miss some of the changes.
// CreateTopic waits until each of them is shown.
func TestCreateTopicsAtOnce(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			admin, topic := testAdmin(t), "test-"+uuid.NewString()
			for _, queues := range []int{1, 2, 3} {
				if err := admin.CreateTopic(t.Context(), topic, queues); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestPing(t *testing.T) {
	t.Parallel()
	admin, topic := testAdmin(t), testTopic(t, 1)
	if err := admin.Ping(t.Context(), topic); err != nil {
		t.Errorf("ping: %v", err)
	}
	if err := admin.Ping(t.Context(), topic, "test-no-such-topic"); !errors.Is(err, ErrTopicMissing) {
		t.Errorf("ping with a missing topic: %v, want ErrTopicMissing", err)
	}
}

// One live name server of several is enough. Its address may be written in either form.
func TestAdminTriesNameServersInTurn(t *testing.T) {
	t.Parallel()
	topic := testTopic(t, 1)
	_, port, _ := strings.Cut(strings.TrimPrefix(testNamesrv(t), "http://"), ":")

	for _, namesrv := range []string{
		"127.0.0.1:1;" + testNamesrv(t),
		testNamesrv(t) + ";127.0.0.1:1",
		fmt.Sprintf("http://localhost:%s", port),
	} {
		admin, err := NewAdmin(namesrv)
		if err != nil {
			t.Fatal(err)
		}

		for range 2 {
			if err := admin.Ping(t.Context(), topic); err != nil {
				t.Errorf("%s: %v", namesrv, err)
			}
		}

		if err := admin.Close(); err != nil {
			t.Error(err)
		}
		if err := admin.Ping(t.Context(), topic); !errors.Is(err, errClosed) {
			t.Errorf("%s: ping after close: %v", namesrv, err)
		}
	}
}
