package fence_test

import (
	"errors"
	"slices"
	"testing"

	"settlement/payment-service/internal/fence"
)

func TestOnlyTheNextOneIsDue(t *testing.T) {
	const last = 3
	for seq, want := range map[int64]fence.Verdict{
		1: fence.Stale, 3: fence.Stale, 4: fence.Due, 5: fence.Ahead, 9: fence.Ahead,
	} {
		if got := fence.Compare(seq, last); got != want {
			t.Errorf("seq %d behind %d: verdict %d, want %d", seq, last, got, want)
		}
	}
	if got := fence.Compare(1, 0); got != fence.Due {
		t.Errorf("the first of a key: verdict %d, want due", got)
	}
}

// sequence is one key's messages that wait, and what has taken effect.
type sequence struct {
	waiting fence.Waiting[string]
	last    int64
	took    []string
}

func (s *sequence) follow(may func(fence.Waiter[string]) bool) error {
	return s.waiting.Follow("key", func(string) int64 { return s.last }, may,
		func(w fence.Waiter[string]) error {
			if w.Received == "fails" {
				return errors.New(w.Received)
			}
			s.last++
			s.took = append(s.took, w.Received)
			return nil
		})
}

func anyOf(fence.Waiter[string]) bool { return true }

func TestWhatWaitsFollowsInSequence(t *testing.T) {
	s := &sequence{last: 1, waiting: fence.Waiting[string]{
		{Key: "key", Seq: 3}: {Received: "third"}, {Key: "key", Seq: 2}: {Received: "second"},
		{Key: "key", Seq: 5}: {Received: "fifth"}, {Key: "other", Seq: 4}: {Received: "another key's"},
	}}
	if err := s.follow(anyOf); err != nil || !slices.Equal(s.took, []string{"second", "third"}) {
		t.Errorf("%v took effect, %v, want the second and the third, up to the empty place", s.took, err)
	}
	if len(s.waiting) != 2 {
		t.Errorf("%v wait on, want the fifth and another key's", s.waiting)
	}
}

func TestNothingPassesOneThatMayNotGo(t *testing.T) {
	s := &sequence{waiting: fence.Waiting[string]{
		{Key: "key", Seq: 1}: {Received: "first"}, {Key: "key", Seq: 2}: {Received: "second"},
	}}
	err := s.follow(func(w fence.Waiter[string]) bool { return w.Received != "first" })
	if err != nil || len(s.took) > 0 || len(s.waiting) != 2 {
		t.Errorf("%v took effect and %v wait, %v, want both to wait", s.took, s.waiting, err)
	}
}

func TestNothingFollowsOneThatFails(t *testing.T) {
	s := &sequence{waiting: fence.Waiting[string]{
		{Key: "key", Seq: 1}: {Received: "fails"}, {Key: "key", Seq: 2}: {Received: "second"},
	}}
	if err := s.follow(anyOf); err == nil || len(s.took) > 0 {
		t.Errorf("%v took effect, error %v, want none and the error", s.took, err)
	}
}

func TestPlacesOfWhatWaits(t *testing.T) {
	w := fence.Waiting[string]{
		{Key: "b", Seq: 2}: {}, {Key: "a", Seq: 10}: {}, {Key: "a", Seq: 9}: {},
		{Key: "a", Seq: 3}: {ID: "recorded"},
	}
	last := func(key string) int64 { return map[string]int64{"a": 2, "b": 0}[key] }
	if ready := w.Ready([]string{"a", "b", "c"}, last); !slices.Equal(ready, []string{"a"}) {
		t.Errorf("ready %v, want a alone: seq 3 is next there", ready)
	}
	if places := w.Unrecorded(); !slices.Equal(places, []fence.Place{{"a", 9}, {"a", 10}, {"b", 2}}) {
		t.Errorf("without a record %v, want them by key and number", places)
	}
	if at, waiter, found := w.Before(fence.Place{Key: "a", Seq: 9}); !found ||
		at.Seq != 3 || waiter.ID != "recorded" {
		t.Errorf("before a 9 waits %v %v, want seq 3", at, waiter)
	}
	if at, _, found := w.Before(fence.Place{Key: "b", Seq: 2}); found {
		t.Errorf("before b 2 waits %v, want nobody: a is another key", at)
	}
}
