package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func openReader(t *testing.T, topic string, queue int) *QueueReader {
	t.Helper()
	r, err := OpenQueueReader(t.Context(),
		QueueReaderConfig{
			Namesrv: testNamesrv(t), Group: testGroup(), Topic: topic, Queue: queue, Logger: testLogger(t),
		})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestAQueueIsReadFromTheCallersOffset(t *testing.T) {
	t.Parallel()
	topic, p := testTopic(t, 2), testProducer(t)
	publish(t, p, topic, 1, 2, 0, 100)
	publish(t, p, topic, 0, 2, 1000, 5) // another queue, which is not read

	r := openReader(t, topic, 1)
	eventually(t, received, func() error {
		oldest, next, err := r.Ends(t.Context())
		if err == nil && (oldest != 0 || next != 100) {
			err = fmt.Errorf("ends %d and %d, want 0 and 100", oldest, next)
		}
		return err
	})

	for range 2 { // what was read is not gone: the caller may go back
		for offset := int64(40); offset < 100; {
			messages, next, err := r.Read(t.Context(), offset)
			if err != nil || len(messages) == 0 || next != offset+int64(len(messages)) {
				t.Fatalf("read at %d: %d messages, next %d, error %v", offset, len(messages), next, err)
			}
			for i, m := range messages {
				if want := offset + int64(i); m.Offset != want || string(m.Body) != fmt.Sprint(want) ||
					m.Queue != 1 {
					t.Fatalf("offset %d of queue %d holds %s, want it at %d", m.Offset, m.Queue, m.Body, want)
				}
			}
			offset = next
		}
	}
}

func TestAReaderLeavesNoOffsetBehind(t *testing.T) {
	t.Parallel()
	topic, p := testTopic(t, 1), testProducer(t)
	publish(t, p, topic, 0, 1, 0, 10)
	group := testGroup()
	r, err := OpenQueueReader(t.Context(),
		QueueReaderConfig{Namesrv: testNamesrv(t), Group: group, Topic: topic, Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}

	// Read for as long as the library's background reading would take to begin.
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for began := time.Now(); time.Since(began) < 3*time.Second; <-look.C {
		if _, _, err := r.Read(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}

	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if offset, err := testAdmin(t).CommittedOffset(t.Context(), r.queue, group); err != nil || offset != -1 {
		t.Errorf("offset %d was committed (error %v): the library read in the background too", offset, err)
	}
}

func TestReadingOutsideOfTheQueue(t *testing.T) {
	t.Parallel()
	topic, p := testTopic(t, 1), testProducer(t)
	publish(t, p, topic, 0, 1, 0, 3)
	r := openReader(t, topic, 0)
	if _, _, err := r.Read(t.Context(), 1000); !errors.Is(err, ErrOffsetOutside) {
		t.Errorf("error %v, want ErrOffsetOutside", err)
	}

	// At the end of the queue the broker makes the reader wait, and the library waits whatever the
	// context says.
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	if messages, _, err := r.Read(ctx, 3); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%d messages, error %v, want the context's", len(messages), err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the context's end was not seen for %s", took)
	}
}

func TestAReaderOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	topic := testTopic(t, 1)
	for _, cfg := range []QueueReaderConfig{
		{Namesrv: testNamesrv(t), Group: testGroup(), Topic: topic, Queue: 1},
		{Namesrv: testNamesrv(t), Group: testGroup(), Topic: topic, Queue: -1},
		{Namesrv: testNamesrv(t), Group: testGroup(), Topic: testGroup()},
		{Namesrv: "127.0.0.1:1", Group: testGroup(), Topic: topic},
	} {
		if _, err := OpenQueueReader(t.Context(), cfg); err == nil {
			t.Errorf("%+v was opened", cfg)
		}
	}
}
