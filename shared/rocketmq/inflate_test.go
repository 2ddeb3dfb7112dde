package rocketmq

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	client "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"pgregory.net/rapid"
)

// publishCompressed sends bodies as a foreign program does that compresses every body longer than
// 1 KiB.
func publishCompressed(t *testing.T, topic string, bodies ...[]byte) {
	t.Helper()
	inner, err := client.NewProducer(
		producer.WithNameServer(clientNamesrv([]string{testNamesrv(t)})), producer.WithGroupName(testGroup()),
		producer.WithInstanceName(uniqueInstance("")), producer.WithCompressMsgBodyOverHowmuch(1<<10),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := inner.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inner.Shutdown() })

	for _, body := range bodies {
		if _, err := inner.SendSync(t.Context(), primitive.NewMessage(topic, body).
			WithKeys([]string{"k"})); err != nil {
			t.Fatal(err)
		}
	}
}

// T34: a body that inflates beyond the limit is delivered cut and marked. The messages around it
// are delivered whole and in order.
func TestABodyThatInflatesTooFarIsCut(t *testing.T) {
	t.Parallel()
	const limit = 16 << 10
	topic := testTopic(t, 1)
	whole, tooLarge := bytes.Repeat([]byte("a"), limit), bytes.Repeat([]byte("b"), limit+1)
	publishCompressed(t, topic, []byte("first"), whole, tooLarge, tooLarge, []byte("last"))

	var r record
	c := newConsumer(t, topic, testGroup(), 32, r.handle)
	c.inflateMax = limit
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, received, r.atLeast(5))

	var got []Delivery
	for _, batch := range r.batches {
		got = append(got, batch...)
	}
	for i, want := range [][]byte{
		[]byte("first"), whole, tooLarge[:shownMax], tooLarge[:shownMax], []byte("last"),
	} {
		if d := got[i]; !bytes.Equal(d.Body, want) || d.TooLarge != (i == 2 || i == 3) ||
			d.Key != "k" || d.Offset != int64(i) {
			t.Errorf("message %d: offset %d key %q too large %v, body of %d bytes, want %d", i, d.Offset,
				d.Key, d.TooLarge, len(d.Body), len(want))
		}
	}
}

// A QueueReader cuts such a body too.
func TestAReaderCutsABodyThatInflatesTooFar(t *testing.T) {
	t.Parallel()
	topic := testTopic(t, 1)
	publishCompressed(t, topic, make([]byte, inflateMax+1), make([]byte, inflateMax))
	awaitEnd(t, testAdmin(t), onlyQueue(t, testAdmin(t), topic), 2)

	r, err := OpenQueueReader(t.Context(),
		QueueReaderConfig{Namesrv: testNamesrv(t), Group: testGroup(), Topic: topic, Logger: testLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })

	var got []string
	for offset := int64(0); offset < 2; {
		messages, next, err := r.Read(t.Context(), offset)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			got = append(got, fmt.Sprint(len(m.Body), m.TooLarge))
		}
		offset = next
	}

	if want := fmt.Sprint([]string{
		fmt.Sprint(shownMax, true), fmt.Sprint(inflateMax, false),
	}); fmt.Sprint(got) != want {
		t.Errorf("lengths and what is too large: %v, want %s", got, want)
	}
}

// Whatever a server sends, cutBodies reads nothing beyond it, and bytes that are no message pass
// unchanged.
func TestCutBodiesLeavesWhatItDoesNotKnow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "bytes")
		if len(sent) >= recordBodyAt && rapid.Bool().Draw(t, "looks like a message") {
			binary.BigEndian.PutUint32(sent, rapid.Uint32Range(0, 220).Draw(t, "size"))
			binary.BigEndian.PutUint32(sent[recordMagicAt:], recordMagic)
			binary.BigEndian.PutUint32(sent[recordFlagsAt:], rapid.Uint32Range(0, 63).Draw(t, "flags"))
		}

		before := bytes.Clone(sent)
		if got := cutBodies(sent, 16); !bytes.Equal(got, before) {
			t.Fatalf("%x became %x", before, got)
		}
	})
}
