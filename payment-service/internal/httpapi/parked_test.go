package httpapi_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/uuid"

	"settlement/payment-service/internal/httpapi"
	"settlement/payment-service/internal/store"
	"settlement/shared/parking"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
	"settlement/shared/web"
	"settlement/shared/web/webtest"
)

// park parks a message with this body and returns the path of its record.
func (s service) park(t *testing.T, body []byte) string {
	t.Helper()
	var page httpapi.ParkedPage
	s.get(t, "/v1/parked?limit=1").Want(t, 200, "").Into(t, &page)
	offset := int64(0)
	if len(page.Items) == 1 {
		offset = page.Items[0].Offset + 1
	}

	_, err := s.lot.Park(t.Context(), rocketmq.Delivery{
		Topic: settlement.TopicSettlement, Queue: 3, Offset: offset,
		MessageID: "7F00000100002A9F00000000000186A0",
		Body:      body, Properties: map[string]string{"KEYS": "k"},
	}, parking.Subject{}, parking.CausePoison, "poison message: not the JSON of this message")
	if err != nil {
		t.Fatal(err)
	}

	s.get(t, "/v1/parked?limit=1").Want(t, 200, "").Into(t, &page)
	return "/v1/parked/" + page.Items[0].ID
}

func encode(t *testing.T, in settlement.Instruction) []byte {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestParkedMessages(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		var page httpapi.ParkedPage
		s.get(t, "/v1/parked?state=&cursor=&limit=").Want(t, 200, "").Into(t, &page)
		if page.Items == nil || len(page.Items) != 0 || page.NextCursor != "" {
			t.Errorf("empty list is %+v", page)
		}
		account, path := s.open(t)
		s.post(t, path+"/deposits", uuid.NewString(), deposit(1000)).Want(t, 201, "")
		poison, in := s.park(t, []byte("{\xff")), newInstruction(account, 400)
		good := s.park(t, encode(t, in))

		s.get(t, "/v1/parked?state=parked&limit=1").Want(t, 200, "").Into(t, &page)
		if len(page.Items) != 1 || page.NextCursor == "" || "/v1/parked/"+page.Items[0].ID != good {
			t.Errorf("first page is %+v", page)
		}
		s.get(t, "/v1/parked?state=parked&limit=1&cursor="+page.NextCursor).Want(t, 200, "").Into(t, &page)
		if len(page.Items) != 1 || page.NextCursor != "" {
			t.Fatalf("second page is %+v", page)
		}
		if p := page.Items[0]; "/v1/parked/"+p.ID != poison || p.State != "parked" ||
			p.Payload != "{\uFFFD" || p.PayloadSize != 2 ||
			p.Topic != "settlement" || p.Queue != 3 || p.Properties["KEYS"] != "k" ||
			!strings.HasPrefix(p.Reason, "poison") || p.Attempts != 1 {
			t.Errorf("poison is %+v", p)
		}

		s.post(t, poison+"/replay", uuid.NewString(), "").Want(t, 409, parking.CodeNotReplayable)
		var p httpapi.Parked
		s.post(t, good+"/replay", "replay", "{}").Want(t, 200, "").Into(t, &p)
		if p.State != "replayed" {
			t.Errorf("replayed message is %+v", p)
		}
		s.get(t, "/v1/payments/"+in.PaymentNo).Want(t, 200, "")
		s.post(t, good+"/replay", uuid.NewString(), "").Want(t, 409, parking.CodeAlreadyResolved)
		s.post(t, good+"/discard", uuid.NewString(), `{"reason":"too late"}`).
			Want(t, 409, parking.CodeAlreadyResolved)

		reason := strings.Repeat("因", 512)
		discarded := s.post(t, poison+"/discard", "discard", `{"reason":"`+reason+`"}`).Want(t, 200, "")
		discarded.Into(t, &p)
		if p.State != "discarded" || p.Resolution == "" || !strings.HasPrefix(reason, p.Resolution) {
			t.Errorf("discarded message is %+v", p)
		}

		before := s.rows(t)
		if again := s.post(t, poison+"/discard", "discard", `{"reason":"`+reason+
			`"}`); !again.Same(discarded) {
			t.Errorf("discard: first\n%s\nthen\n%s", discarded.Body, again.Body)
		}
		s.post(t, good+"/replay", "replay", "").Want(t, 200, "")
		s.wantRows(t, before)

		s.get(t, "/v1/parked?state=parked").Want(t, 200, "").Into(t, &page)
		if len(page.Items) != 0 {
			t.Errorf("parked still: %+v", page.Items)
		}
	})
}

// A message that waits for its predecessor is in order: an operator does not replay it, unless the
// gap is to be closed.
func TestWaitingMessageIsLeftAlone(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		account, _ := s.open(t)
		in := newInstruction(account, 400)
		in.Seq = 2
		received := store.Received{
			Message: in, Delivery: rocketmq.Delivery{Topic: settlement.TopicSettlement, Body: encode(t, in)},
		}
		if _, err := s.store.SettleBatch(t.Context(), []store.Received{received}); err != nil {
			t.Fatal(err)
		}

		var page httpapi.ParkedPage
		s.get(t, "/v1/parked?state=waiting").Want(t, 200, "").Into(t, &page)
		if len(page.Items) != 1 || page.Items[0].OrderID != in.OrderID ||
			page.Items[0].PaymentNo != in.PaymentNo || page.Items[0].Seq != 2 {
			t.Fatalf("waiting are %+v", page.Items)
		}

		path := "/v1/parked/" + page.Items[0].ID
		s.post(t, path+"/replay", uuid.NewString(), "").Want(t, 409, parking.CodeNotReplayable)
		s.get(t, "/v1/payments/"+in.PaymentNo).Want(t, 404, "payment_not_found")
	})
}

// A message that a later release can read is replayed before its predecessor is done. The answer is
// what the list says, the first time and again.
func TestAReplayThatWaitsIsAnsweredTheSameAgain(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		account, _ := s.open(t)
		in := newInstruction(account, 400)
		in.Seq = 2
		path := s.park(t, encode(t, in))

		first := s.post(t, path+"/replay", "replay", "").Want(t, 200, "")
		if again := s.post(t, path+"/replay", "replay", ""); !again.Same(first) {
			t.Errorf("replay: first\n%s\nthen\n%s", first.Body, again.Body)
		}

		var answered httpapi.Parked
		first.Into(t, &answered)
		var page httpapi.ParkedPage
		s.get(t, "/v1/parked?state=waiting").Want(t, 200, "").Into(t, &page)
		if len(page.Items) != 1 || !reflect.DeepEqual(page.Items[0], answered) || answered.Cause != "ahead" ||
			answered.PaymentNo != in.PaymentNo {
			t.Errorf("answered %+v, the list has %+v", answered, page.Items)
		}
	})
}

// A poison message can be as large as the broker takes.
func TestLargePoison(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		path := s.park(t, []byte(strings.Repeat("x", 1<<20)))
		var page httpapi.ParkedPage
		list := s.get(t, "/v1/parked").Want(t, 200, "")
		list.Into(t, &page)
		if len(list.Body) > 64<<10 || page.Items[0].PayloadSize != 1<<20 ||
			len(page.Items[0].Payload) != 16<<10 {
			t.Errorf("answer has %d bytes, of the payload's %d it shows %d", len(list.Body),
				page.Items[0].PayloadSize, len(page.Items[0].Payload))
		}

		s.post(t, path+"/replay", uuid.NewString(), "").Want(t, 409, parking.CodeNotReplayable)
		s.post(t, path+"/discard", uuid.NewString(), `{"reason":"somebody's test"}`).Want(t, 200, "")
	})
}

func TestReplayUnderKeyOfAnotherRequest(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		account, path := s.open(t)
		s.post(t, path+"/deposits", "used", deposit(1000)).Want(t, 201, "")
		in := newInstruction(account, 400)
		parked := s.park(t, encode(t, in))
		before := s.rows(t)
		s.post(t, parked+"/replay", "used", "").Want(t, 422, web.CodeKeyReused)
		s.wantRows(t, before)
	})
}

func TestRefusedOperatorRequests(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		poison := s.park(t, []byte("not JSON"))
		unknown := "/v1/parked/" + uuid.Must(uuid.NewV7()).String()

		for _, c := range []refusal{
			{"replay of nothing", unknown + "/replay", "", 404, "parked_not_found"},
			{"discard of nothing", unknown + "/discard", `{"reason":"a"}`, 404, "parked_not_found"},
			{"replay of no id", "/v1/parked/42/replay", "", 400, web.CodeInvalidID},
			{"discard of no id", "/v1/parked/42/discard", `{"reason":"a"}`, 400, web.CodeInvalidID},
			{"replay with body", poison + "/replay", `{"reasons":"a"}`, 400, web.CodeUnknownField},
			{
				"replay with long reason", poison + "/replay", `{"reason":"` + strings.Repeat("r", 513) +
					`"}`, 400, web.CodeInvalidField,
			},
			{"discard without body", poison + "/discard", "", 400, web.CodeMalformedJSON},
			{"discard without reason", poison + "/discard", `{}`, 400, web.CodeMissingField},
			{"discard with empty reason", poison + "/discard", `{"reason":""}`, 400, web.CodeInvalidField},
			{
				"discard with long reason", poison + "/discard", `{"reason":"` + strings.Repeat("r", 513) +
					`"}`, 400, web.CodeInvalidField,
			},
			{
				"discard with control character", poison + "/discard", `{"reason":"a\u001b[2J"}`, 400,
				web.CodeInvalidField,
			},
			{"discard with number", poison + "/discard", `{"reason":7}`, 400, web.CodeInvalidField},
		} {
			t.Run(c.name, func(t *testing.T) {
				before := s.rows(t)
				s.post(t, c.path, uuid.NewString(), c.body).Want(t, c.status, c.code)
				s.wantRows(t, before)
			})
		}

		for _, path := range []string{poison + "/replay", poison + "/discard"} {
			s.post(t, path, "", `{"reason":"a"}`).Want(t, 400, web.CodeKeyMissing)
		}

		for path, code := range map[string]string{
			"/v1/parked?state=lost": web.CodeInvalidParameter, "/v1/parked?limit=0": web.CodeInvalidParameter,
			"/v1/parked?limit=x": web.CodeInvalidParameter, "/v1/parked?cursor=7": web.CodeInvalidCursor,
		} {
			s.get(t, path).Want(t, 400, code)
		}
	})
}

// A request whose answer is in flight in another session is not done a second time.
func TestDiscardInFlight(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		path := s.park(t, []byte("not JSON"))
		tx, err := s.db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()

		_, err = tx.ExecContext(t.Context(),
			"INSERT INTO idempotency_keys (idem_key, request_hash, result, refusal_code, refusal_detail,"+
				" created_at) VALUES ('k', '', '', '', '', NOW())")
		if err != nil {
			t.Fatal(err)
		}

		request := webtest.Request{Method: "POST", Path: path + "/discard", Key: "k", Body: `{"reason":"a"}`}
		s.Do(t, request).Want(t, 409, web.CodeKeyInFlight)
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		s.Do(t, request).Want(t, 200, "")
	})
}

// A gap is closed over HTTP as on the command line.
func TestAGapIsClosed(t *testing.T) {
	each(t, func(t *testing.T, s service) {
		in := newInstruction(uuid.NewString(), 10)
		in.Seq = 2
		path := s.park(t, encode(t, in))

		var waits, done httpapi.Parked
		s.post(t, path+"/replay", uuid.NewString(), "").Want(t, 200, "").Into(t, &waits)
		if waits.State != "waiting" {
			t.Errorf("state %s, want it to wait for seq 1", waits.State)
		}

		s.post(t, path+"/replay", uuid.NewString(), `{"close_gap":false}`).
			Want(t, 409, parking.CodeNotReplayable)
		s.post(t, path+"/replay", uuid.NewString(), `{"close_gap":"yes"}`).Want(t, 400, "invalid_field")
		s.post(t, path+"/replay", uuid.NewString(), `{"close_gap":true,"reason":"seq 1 was cut"}`).
			Want(t, 200, "").Into(t, &done)
		if done.State != "replayed" {
			t.Errorf("state %s, want it replayed", done.State)
		}
	})
}
