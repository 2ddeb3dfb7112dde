package settlement_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"settlement/shared/money"
	"settlement/shared/settlement"
	"settlement/shared/traceparent"
)

const (
	idA = "0198f1a2-0000-7000-8000-00000000000a"
	idB = "0198f1a2-0000-7000-8000-00000000000b"
	idC = "0198f1a2-0000-7000-8000-00000000000c"
)

func instruction() map[string]any {
	return map[string]any{
		"version": 1, "type": "settle", "payment_no": idA, "order_id": idB, "seq": 1, "account_id": idC,
		"amount": map[string]any{"currency": "CNY", "minor": 1999}, "requested_at": "2026-01-02T03:04:05Z",
	}
}

func TestAnInstructionSurvivesItsJSON(t *testing.T) {
	want := settlement.Instruction{
		Version: 1, Type: settlement.Refund, PaymentNo: idA, OrderID: idB, Seq: 2, AccountID: idC,
		Amount:      money.Money{Currency: money.CNY, Minor: 1999},
		RequestedAt: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
	}

	body, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := settlement.ParseInstruction(body)
	if err != nil || got != want {
		t.Errorf("read %+v, %v; wrote %+v", got, err, want)
	}
}

func TestAnUnknownFieldIsIgnored(t *testing.T) {
	m := instruction()
	m["channel"] = "app"
	body, _ := json.Marshal(m)
	if _, err := settlement.ParseInstruction(body); err != nil {
		t.Errorf("changes of the contract are additive, but a new field gave %v", err)
	}
}

func TestPoison(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"unknown version":   func(m map[string]any) { m["version"] = 2 },
		"no version":        func(m map[string]any) { delete(m, "version") },
		"unknown type":      func(m map[string]any) { m["type"] = "transfer" },
		"no payment number": func(m map[string]any) { delete(m, "payment_no") },
		"deposit's number":  func(m map[string]any) { m["payment_no"] = settlement.NewDepositNo() },
		"payment number":    func(m map[string]any) { m["payment_no"] = "42" },
		"order id in caps":  func(m map[string]any) { m["order_id"] = strings.ToUpper(idB) },
		"urn order id":      func(m map[string]any) { m["order_id"] = "urn:uuid:" + idB },
		"seq 0":             func(m map[string]any) { m["seq"] = 0 },
		"huge seq":          func(m map[string]any) { m["seq"] = settlement.SeqMax + 1 },
		"seq as text":       func(m map[string]any) { m["seq"] = "1" },
		"zero amount": func(m map[string]any) {
			m["amount"] = map[string]any{
				"currency": "CNY", "minor": 0,
			}
		},
		"negative amount": func(m map[string]any) {
			m["amount"] = map[string]any{
				"currency": "CNY", "minor": -5,
			}
		},
		"fraction": func(m map[string]any) {
			m["amount"] = map[string]any{
				"currency": "CNY", "minor": 1.5,
			}
		},
		"overflowing amount": func(m map[string]any) {
			m["amount"] = map[string]any{
				"currency": "CNY", "minor": 1e30,
			}
		},
		"foreign currency": func(m map[string]any) {
			m["amount"] = map[string]any{
				"currency": "BTC", "minor": 1,
			}
		},
		"too long": func(m map[string]any) {
			m["filler"] = strings.Repeat("x",
				settlement.BodyMaxBytes)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := instruction()
			change(m)
			body, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := settlement.ParseInstruction(body); !errors.Is(err, settlement.ErrPoison) {
				t.Errorf("error %v, want ErrPoison", err)
			}
		})
	}

	for _, body := range []string{"", "null", "[]", "{", "settle!", "\xff\xfe"} {
		if _, err := settlement.ParseInstruction([]byte(body)); !errors.Is(err, settlement.ErrPoison) {
			t.Errorf("body %q: error %v, want ErrPoison", body, err)
		}
		if _, err := settlement.ParseOutcome([]byte(body)); !errors.Is(err, settlement.ErrPoison) {
			t.Errorf("outcome body %q: error %v, want ErrPoison", body, err)
		}
		if _, err := settlement.ParsePointsChange([]byte(body)); !errors.Is(err, settlement.ErrPoison) {
			t.Errorf("points body %q: error %v, want ErrPoison", body, err)
		}
	}
}

func TestTraceparent(t *testing.T) {
	const valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if got := traceparent.Or(valid); got != valid {
		t.Errorf("a valid traceparent became %q", got)
	}

	for _, bad := range []string{
		"", "garbage", "00-00000000000000000000000000000000-b7ad6b7169203331-01", valid + "-x",
	} {
		fresh := traceparent.Or(bad)
		if fresh == bad || traceparent.Or(fresh) != fresh {
			t.Errorf("%q became %q, want a new valid one", bad, fresh)
		}
	}
}

func TestPoisonPoints(t *testing.T) {
	for name, change := range map[string]func(*settlement.PointsChange){
		"unknown version": func(c *settlement.PointsChange) { c.Version = 2 },
		"unknown type":    func(c *settlement.PointsChange) { c.Type = "double" },
		"points number":   func(c *settlement.PointsChange) { c.PointsNo = "42" },
		"customer":        func(c *settlement.PointsChange) { c.CustomerID = strings.ToUpper(idB) },
		"seq 0":           func(c *settlement.PointsChange) { c.Seq = 0 },
		"too many":        func(c *settlement.PointsChange) { c.Points = settlement.PointsMax + 1 },
		"too few":         func(c *settlement.PointsChange) { c.Points = -settlement.PointsMax - 1 },
		"long reason": func(c *settlement.PointsChange) {
			c.Reason = strings.Repeat("x",
				settlement.ReasonMaxLength+1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := settlement.PointsChange{
				Version: 1, Type: settlement.PointsAdd, PointsNo: idA, CustomerID: idB, Seq: 3, Points: -3,
				Reason: "misconduct", OccurredAt: time.Now(),
			}
			body, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := settlement.ParsePointsChange(body); err != nil {
				t.Fatalf("before the change: %v", err)
			}

			change(&c)
			if body, err = json.Marshal(c); err != nil {
				t.Fatal(err)
			}
			if _, err := settlement.ParsePointsChange(body); !errors.Is(err, settlement.ErrPoison) {
				t.Errorf("error %v, want ErrPoison", err)
			}
		})
	}
}

// Both databases store the times that pass here; see also the listeners' tests.
func TestTimesThatNoColumnHoldsArePoison(t *testing.T) {
	for at, poison := range map[string]bool{
		"2026-01-02T03:04:05.123456789Z": false,
		"9998-12-31T23:59:59.9999999Z":   false, // rounds up, into a year that is held
		"9999-01-01T00:00:00+01:00":      false,
		"9999-12-31T23:59:59.9999999Z":   true, // rounds up into the year 10000
		"9999-12-31T23:59:59-14:00":      true, // is in the year 10000
		"0000-06-01T00:00:00Z":           true,
		"1970-01-01T00:30:00+01:00":      true,
		"1970-01-01T00:00:00Z":           false,
	} {
		outcome, points := instruction(), instruction()
		outcome["type"], outcome["occurred_at"] = "paid", at
		points["type"], points["occurred_at"] = "add", at
		points["points_no"], points["customer_id"] = idA, idB

		for kind, m := range map[string]map[string]any{"outcome": outcome, "points": points} {
			body, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			if kind == "outcome" {
				_, err = settlement.ParseOutcome(body)
			} else {
				_, err = settlement.ParsePointsChange(body)
			}
			if errors.Is(err, settlement.ErrPoison) != poison {
				t.Errorf("%s at %s: error %v, want poison %t", kind, at, err, poison)
			}
		}
	}
}
