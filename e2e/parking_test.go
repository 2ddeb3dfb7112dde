package e2e_test

import (
	"fmt"
	"math"
	"testing"

	"settlement/e2e/client"
	"settlement/e2e/wait"
	"settlement/shared/settlement"
)

// One message in the middle of many fails every time. It is parked alone: its order waits for it,
// and all other orders go on. Once it is replayed, it is carried out, and then what waited for it.
func TestOneBadMessageInTheMiddleOfAThousandOrders(t *testing.T) {
	const others, price = 1000, 100
	s := openShop(t)
	raw := openPublisher(t)
	wallet, unlucky := s.wallet(others*price), s.wallet(10*price)
	bad := key()
	parkedOthers := func() int64 {
		return s.count("SELECT COUNT(*) FROM parked_messages WHERE order_id IS NOT NULL AND order_id <> ?"+
			" AND state = 'parked'", bad)
	}
	before := parkedOthers() // by the tests before this one
	next := func(typ settlement.InstructionType, seq int64) settlement.Instruction {
		return instruction(typ, client.Accepted{OrderID: bad, PaymentNo: key(), Seq: seq}, unlucky, price)
	}
	raw.instruct(next(settlement.Settle, 1))
	s.wantDecided(unlucky, 1)

	// No deposit leads to this balance: a refund does not fit any more.
	s.setBalance(unlucky, math.MaxInt64)
	for i := range others {
		if i == others/2 {
			raw.instruct(next(settlement.Refund, 2))
			raw.instruct(next(settlement.Settle, 3))
		}
		raw.instruct(instruction(settlement.Settle, client.Accepted{OrderID: key(), PaymentNo: key(), Seq: 1},
			wallet, price))
	}

	s.wantDecided(wallet, others)
	wait.Until(t, quickly, func() error {
		parked := s.count("SELECT COUNT(*) FROM parked_messages WHERE order_id = ? AND state = 'parked' AND"+
			" attempts = 3 AND seq = 2", bad)
		waiting := s.count("SELECT COUNT(*) FROM parked_messages WHERE order_id = ? AND state = 'waiting'"+
			" AND seq = 3", bad)
		if parked != 1 || waiting != 1 {
			return fmt.Errorf("%d instructions of the order are parked and %d wait, want 1 and 1",
				parked, waiting)
		}
		return nil
	})
	s.wantBalance(wallet, 0)
	s.quiet(quickly)
	if n := parkedOthers() - before; n != 0 {
		t.Errorf("%d instructions of other orders are parked too", n)
	}

	s.setBalance(unlucky, 9*price)
	id := ""
	if err := s.books.QueryRowContext(t.Context(),
		"SELECT id FROM parked_messages WHERE order_id = ? AND state = 'parked'", bad).Scan(&id); err != nil {
		t.Fatal(err)
	}
	if _, err := s.api.Replay(t.Context(), key(), id); err != nil {
		t.Fatal(err)
	}

	s.wantDecided(unlucky, 3)
	s.wantBalance(unlucky, 9*price)
	s.wantBooksRight(quickly)
}

// wantDecided waits until so many instructions about a wallet were carried out.
func (s *shop) wantDecided(wallet string, want int64) {
	s.t.Helper()
	wait.Until(s.t, quickly, func() error {
		n := s.count("SELECT COUNT(*) FROM payment_numbers WHERE account_id = ? AND outcome IN ('paid',"+
			" 'refunded')", wallet)
		if n != want {
			return fmt.Errorf("%d instructions were carried out, want %d", n, want)
		}
		return nil
	})
}

// setBalance changes a wallet's row by hand.
func (s *shop) setBalance(wallet string, minor int64) {
	s.t.Helper()
	s.exec("UPDATE accounts SET balance_minor = ? WHERE id = ?", minor, wallet)
}
