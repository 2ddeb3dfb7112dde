package faults_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"settlement/e2e/faults"
	"settlement/e2e/wait"
)

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// silent fails when anything comes from conn, the end of the connection included.
func silent(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := conn.Read(make([]byte, 1)); !isTimeout(err) {
		t.Errorf("read %d bytes, error %v; want nothing to come", n, err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
}

// isReset fails unless conn was reset.
func isReset(t *testing.T, conn net.Conn) {
	t.Helper()
	if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %d bytes, error %v; want a reset", n, err)
	}
}

func TestFreezeHoldsOldAndNewConnections(t *testing.T) {
	e := startEcho(t, "127.0.0.1:0")
	p := newMySQL(t, e.addr())
	old := dial(t, p.Addr())
	if err := exchange(old, "hello"); err != nil {
		t.Fatal(err)
	}

	before := e.got.Load()
	p.Freeze()
	fresh, sent := dial(t, p.Addr()), packet(0, []byte("held"))
	for _, conn := range []net.Conn{old, fresh} {
		if _, err := conn.Write(sent); err != nil {
			t.Fatal(err)
		}
	}

	wait.Until(t, patience, func() error {
		if p.Frozen() != 1 {
			return fmt.Errorf("%d packets are held, want the old connection's", p.Frozen())
		}
		return nil
	})
	silent(t, old)
	silent(t, fresh)
	if n := e.got.Load() - before; n != 0 {
		t.Errorf("%d bytes reached the server through the freeze", n)
	}

	p.Thaw()
	for i, conn := range []net.Conn{old, fresh} {
		if err := readBack(conn, sent); err != nil {
			t.Errorf("connection %d after the thaw: %v", i, err)
		}
	}
}

func TestFreezeHoldsAnswers(t *testing.T) {
	p := newMySQL(t, startEcho(t, "127.0.0.1:0").addr())
	conn := dial(t, p.Addr())
	p.Add(&faults.SQLRule{Do: faults.Let, At: faults.AfterCommit, Then: p.Freeze})
	// The packet that comes back from the echo is taken for the answer to the COMMIT: the weather
	// changes while it is under way.
	sent := packet(0, []byte("\x03COMMIT"))
	if _, err := conn.Write(sent); err != nil {
		t.Fatal(err)
	}
	silent(t, conn)

	p.Thaw()
	if err := readBack(conn, sent); err != nil {
		t.Error(err)
	}
}

func TestCutAndRefuse(t *testing.T) {
	p := newMySQL(t, startEcho(t, "127.0.0.1:0").addr())
	one, two := dial(t, p.Addr()), dial(t, p.Addr())
	for _, conn := range []net.Conn{one, two} {
		if err := exchange(conn, "hello"); err != nil {
			t.Fatal(err)
		}
	}

	p.Cut()
	isReset(t, one)
	isReset(t, two)
	three := dial(t, p.Addr())
	if err := exchange(three, "new after a cut"); err != nil {
		t.Error(err)
	}

	p.Refuse()
	isReset(t, three)
	isRefused(t, p.Addr())
	p.Allow()
	if err := exchange(dial(t, p.Addr()), "new after a refusal"); err != nil {
		t.Error(err)
	}
}

// A cut ends a frozen connection too, and a connection that is to be made at the thaw.
func TestCutEndsWhatIsFrozen(t *testing.T) {
	p := newMySQL(t, startEcho(t, "127.0.0.1:0").addr())
	old := dial(t, p.Addr())
	if err := exchange(old, "hello"); err != nil {
		t.Fatal(err)
	}

	p.Freeze()
	fresh := dial(t, p.Addr())
	silent(t, fresh) // long enough for the proxy to take it
	p.Cut()
	isReset(t, old)
	isReset(t, fresh)
}

func TestSlowDelaysAndKeepsOrder(t *testing.T) {
	const count, delay, jitter = 100, 100 * time.Millisecond, 80 * time.Millisecond
	p := newMySQL(t, startEcho(t, "127.0.0.1:0").addr())
	conn := dial(t, p.Addr())
	p.Slow(delay, jitter)

	began := time.Now()
	var sent []byte
	for i := range byte(count) {
		sent = append(sent, packet(0, []byte{i, i, i})...)
	}
	if _, err := conn.Write(sent); err != nil {
		t.Fatal(err)
	}
	if err := readBack(conn, sent); err != nil {
		t.Error(err)
	}

	took := time.Since(began)
	if least := 2 * (delay - jitter); took < least {
		t.Errorf("there and back took %s, want at least %s", took, least)
	}
	if most := count * delay / 2; took > most {
		t.Errorf("%d packets took %s: they wait for each other instead of travelling together", count, took)
	}
}

func TestClearEndsTheWeather(t *testing.T) {
	p := newMySQL(t, startEcho(t, "127.0.0.1:0").addr())
	rule := &faults.SQLRule{Do: faults.Cut}
	p.Add(rule)
	p.Refuse()
	p.Freeze()
	p.Slow(time.Hour, 0)
	p.Clear()
	if err := exchange(dial(t, p.Addr()), "\x03SELECT 1"); err != nil || rule.Fired() != 0 {
		t.Errorf("error %v, the rule fired %d times; want nothing to be left", err, rule.Fired())
	}
}
