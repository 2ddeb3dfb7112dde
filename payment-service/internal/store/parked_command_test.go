package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"settlement/e2e/stack/testdb"
	"settlement/migrations"
	"settlement/shared/dbtx"
	"settlement/shared/money"
	"settlement/shared/operator"
	"settlement/shared/operator/command"
	"settlement/shared/parking"
	"settlement/shared/rocketmq"
	"settlement/shared/settlement"
)

// terminal is where an operator types.
type terminal struct {
	t         *testing.T
	pool      *dbtx.Pool
	lot       *parking.Lot
	decisions *operator.Decisions
}

func openTerminal(t *testing.T, pool *dbtx.Pool) terminal {
	t.Helper()
	return terminal{t: t, pool: pool, lot: newLot(pool), decisions: newDecisions(pool, newStore(pool))}
}

// types runs "parked" with these arguments and returns all that was printed.
func (c terminal) types(args ...string) (printed string, err error) {
	c.t.Helper()
	cmd := command.Parked(func() (command.Desk, error) {
		return command.Desk{Lot: c.lot, Decisions: c.decisions, Close: func() {}}, nil
	})
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.ExecuteContext(c.t.Context())
	return out.String(), err
}

func (c terminal) wants(printed string, err error, wanted ...string) {
	c.t.Helper()
	if err != nil {
		c.t.Errorf("error %v after\n%s", err, printed)
	}
	for _, w := range wanted {
		if !strings.Contains(printed, w) {
			c.t.Errorf("want %q in\n%s", w, printed)
		}
	}
}

// park parks an instruction that failed every time and returns the record's id.
func (c terminal) park(order string, seq int64, typ settlement.InstructionType, reason string) string {
	c.t.Helper()
	in := settlement.Instruction{
		Version: settlement.Version, Type: typ, PaymentNo: uuid.NewString(), OrderID: order, Seq: seq,
		AccountID: uuid.NewString(), Amount: money.Money{Currency: money.CNY, Minor: 1},
		RequestedAt: time.Now().UTC(),
	}
	body, err := json.Marshal(in)
	if err != nil {
		c.t.Fatal(err)
	}

	_, _, err = c.lot.Failed(c.t.Context(), parking.Failure{
		Delivery: delivery(body), Subject: parking.Subject{
			Number: in.PaymentNo, OrderingKey: order, Seq: seq,
		},
		Executions: parking.TriesMax, Alone: true, Err: errors.New(reason),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return c.newest()
}

// poison parks a message that cannot be read and returns the record's id.
func (c terminal) poison(body []byte) string {
	c.t.Helper()
	if _, err := c.lot.Park(c.t.Context(), delivery(body), parking.Subject{},
		parking.CausePoison, "poison"); err != nil {
		c.t.Fatal(err)
	}
	return c.newest()
}

func delivery(body []byte) rocketmq.Delivery {
	return rocketmq.Delivery{Topic: settlement.TopicSettlement, MessageID: "m", Body: body}
}

func (c terminal) newest() string {
	c.t.Helper()
	page, _, err := c.lot.List(c.t.Context(), parking.Filter{State: parking.Parked, Limit: 1})
	if err != nil || len(page) == 0 {
		c.t.Fatalf("nothing is parked: %v", err)
	}
	return page[0].ID
}

func (c terminal) wantCount(from string, want int64) {
	c.t.Helper()
	var got int64
	if err := c.pool.Read(c.t.Context()).Raw("SELECT COUNT(*) FROM " + from).Scan(&got).Error; err != nil {
		c.t.Fatal(err)
	}
	if got != want {
		c.t.Errorf("%d rows in %s, want %d", got, from, want)
	}
}

func TestAnOperatorAtATerminal(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		c := openTerminal(t, db.Pool)
		first := c.park(uuid.NewString(), 1, settlement.Settle, "a bug")
		poison := c.poison([]byte("\x1b[31mred"))

		printed, err := c.types("list")
		c.wants(printed, err, first, poison, "a bug", "2 messages")
		printed, err = c.types("show", poison)
		c.wants(printed, err, "payload", "[31mred")
		if strings.Contains(printed, "\x1b") {
			t.Error("a message's bytes reach the terminal as they are")
		}
		printed, err = c.types("replay", first, "--dry-run")
		c.wants(printed, err, first+"  replayed: declined", "nothing was changed")
		c.wantCount("parked_messages WHERE state = 'parked'", 2)

		printed, err = c.types("replay", "--all", "--why", "修好了", "--who", "小王")
		if err == nil || !strings.Contains(printed, first+"  replayed: declined") ||
			!strings.Contains(printed, poison+"  refused: poison message") {
			t.Errorf("error %v after\n%s\nwant one replayed, one refused, and an error for it", err, printed)
		}
		printed, err = c.types("show", first)
		c.wants(printed, err, "replay by 小王: 修好了, then replayed")
		printed, err = c.types("replay", first, "--why", "once more")
		if err == nil || !strings.Contains(printed, "is replayed already") {
			t.Errorf("error %v after\n%s\nwant it refused as replayed already", err, printed)
		}
		printed, err = c.types("discard", poison, "--why", "of a test tool")
		c.wants(printed, err, poison+"  discarded: of a test tool")
		printed, err = c.types("list", "--state", "all")
		c.wants(printed, err, "replayed", "discarded")
		c.wantCount("payment_numbers", 1)
	})
}

func TestASelectionIsReplayed(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		c := openTerminal(t, db.Pool)
		order := uuid.NewString()
		second, first := c.park(order, 2, settlement.Refund, "bug one"), c.park(order,
			1, settlement.Settle, "bug one")
		other := c.park(uuid.NewString(), 1, settlement.Settle, "bug two")

		printed, err := c.types("replay", "--matching", "two", "--why", "w")
		c.wants(printed, err, other, "1 of 1 messages")
		printed, err = c.types("replay", "--order", order, "--why", "w")
		c.wants(printed, err, second+"  waits for its predecessor", first+"  replayed", "2 of 2 messages")
		c.wantCount("payment_numbers WHERE order_id = '"+order+"'", 2)
		c.wantCount("parked_messages WHERE state IN ('parked', 'waiting')", 0)
	})
}

func TestASelectionIsDiscarded(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		c := openTerminal(t, db.Pool)
		order := uuid.NewString()
		first, second := c.park(order, 1, settlement.Settle, "bug one"), c.park(order,
			2, settlement.Refund, "bug one")
		other := c.park(uuid.NewString(), 1, settlement.Settle, "bug two")

		printed, err := c.types("discard", "--order", order, "--dry-run")
		if err == nil || !strings.Contains(printed, first+"  discarded") ||
			!strings.Contains(printed, second+"  refused") {
			t.Errorf("error %v after\n%s\nwant the first would be discarded, and the second not while the first is there",
				err, printed)
		}
		c.wantCount("parked_messages WHERE state = 'parked'", 3)
		c.wantCount("payment_numbers", 0)
		printed, err = c.types("discard", "--matching", "one", "--why", "of a test tool")
		c.wants(printed, err, first+"  discarded", second+"  discarded", "2 of 2 messages")
		c.wantCount("payment_numbers WHERE outcome = 'failed'", 2)

		printed, err = c.types("list", "-o", "json", "--order", order, "--state", "discarded")
		c.wants(printed, err, `"State":"discarded"`, `"PaymentNo":"`, first, second)
		if strings.Contains(printed, other) || strings.Count(printed, "\n") != 2 {
			t.Errorf("want two lines, those of the order:\n%s", printed)
		}
	})
}

func TestWhatAnOperatorCannotMean(t *testing.T) {
	testdb.Each(t, migrations.Payment, func(t *testing.T, db testdb.Database) {
		c := openTerminal(t, db.Pool)
		id := c.park(uuid.NewString(), 1, settlement.Settle, "a bug")

		for _, line := range []string{
			"replay --why w", "replay " + id, "replay --all --order o --why w", "replay 42 --why w",
			"replay --all --why w --rate 0",
			"replay --all --why w --rate 1e9", "discard --why w", "discard " + id, "show", "show " +
				uuid.NewString(), "list --state lost", "lose",
			"replay " + uuid.NewString() + " --why w", "replay --matching nobody --why w",
			"discard --order " + uuid.NewString() + " --why w",
			"replay --matching BUG --why w", "list -o xml",
		} {
			if printed, err := c.types(strings.Fields(line)...); err == nil {
				t.Errorf("parked %s was taken:\n%s", line, printed)
			} else if strings.Contains(err.Error(), "\n") {
				t.Errorf("parked %s: more than a line: %v", line, fmt.Sprint(err))
			}
		}

		c.wantCount("parked_messages WHERE state = 'parked'", 1)
		c.wantCount("parked_audit", 0)
	})
}
