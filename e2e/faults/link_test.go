package faults_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"settlement/e2e/faults"
	"settlement/e2e/wait"
)

// patience is how long a test waits for what takes no time on an idle machine.
const patience = 30 * time.Second

// echo is a server that sends everything back, and closes when the client has ended.
type echo struct {
	listener net.Listener
	got      atomic.Int64 // bytes

	mu    sync.Mutex
	conns []net.Conn
}

func startEcho(t *testing.T, addr string) *echo {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}

	e := &echo{listener: listener}
	t.Cleanup(e.stop)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			e.mu.Lock()
			e.conns = append(e.conns, conn)
			e.mu.Unlock()
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, io.TeeReader(conn, e))
			}()
		}
	}()

	return e
}

// Write counts what came.
func (e *echo) Write(b []byte) (int, error) {
	e.got.Add(int64(len(b)))
	return len(b), nil
}

func (e *echo) addr() string { return e.listener.Addr().String() }

// stop ends the server as the end of its process would.
func (e *echo) stop() {
	_ = e.listener.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, conn := range e.conns {
		_ = conn.Close()
	}
}

func newMySQL(t *testing.T, server string) *faults.MySQL {
	t.Helper()
	p, err := faults.NewMySQL(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	dialer := net.Dialer{Deadline: time.Now().Add(patience)}
	conn, err := dialer.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })

	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// isRefused fails unless a new connection to addr ends at once, perhaps before it is made.
func isRefused(t *testing.T, addr string) {
	t.Helper()
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(t.Context(), "tcp", addr)
	if err == nil {
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, err = conn.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("new connection: error %v, want a reset", err)
	}
}

// packet is one packet of the MySQL protocol.
func packet(sequence byte, payload []byte) []byte {
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(payload))) //nolint:gosec // at most 3 bytes long
	head[3] = sequence
	return append(head, payload...)
}

// exchange sends a packet to an echo and reads it back.
func exchange(conn net.Conn, payload string) error {
	sent := packet(0, []byte(payload))
	if _, err := conn.Write(sent); err != nil {
		return err
	}
	return readBack(conn, sent)
}

func readBack(conn net.Conn, sent []byte) error {
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(conn, got); err != nil {
		return err
	}
	if !bytes.Equal(got, sent) {
		return fmt.Errorf("got %.40q back, sent %.40q", got, sent)
	}
	return nil
}

// load returns a stream of packets of 1 byte to 20 KB. With seed 0 it ends with two that are longer
// than a packet may be. Each of these goes on in a second packet, which begins like an error or
// like a statement.
func load(seed uint64) []byte {
	noise := rand.NewChaCha8([32]byte{byte(seed)}) //nolint:gosec // a few seeds
	draw := rand.New(noise)
	var stream []byte
	for range 400 {
		payload := make([]byte, 1+draw.IntN(20_000))
		_, _ = noise.Read(payload)
		stream = append(stream, packet(0, payload)...)
	}

	if seed == 0 {
		stream = append(stream, packet(0, bytes.Repeat([]byte{0}, 1<<24-1))...)
		stream = append(stream, packet(1, []byte("\xff\xff\xff"))...)
		stream = append(stream, packet(0, bytes.Repeat([]byte{0}, 1<<24-1))...)
		stream = append(stream, packet(1, []byte("\x03secret"))...)
	}
	return stream
}

func TestAnIdleProxyPassesEverything(t *testing.T) {
	p := newMySQL(t, startEcho(t, "127.0.0.1:0").addr())
	secret := &faults.SQLRule{Touching: "secret", Do: faults.Cut}
	p.Add(secret)

	var all sync.WaitGroup
	for i := range uint64(8) {
		all.Go(func() {
			conn, sent := dial(t, p.Addr()), load(i)
			go func() {
				_, _ = conn.Write(sent)
				_ = conn.CloseWrite()
			}()
			got, err := io.ReadAll(conn)
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("connection %d: %d bytes came back, error %v; want the %d that were sent",
					i, len(got), err, len(sent))
			}
			_ = conn.Close()
		})
	}
	all.Wait()

	if n := secret.Fired(); n != 0 {
		t.Errorf("the rest of a long packet was taken for a statement %d times", n)
	}
	if n := p.Errors(0xFFFF); n != 0 {
		t.Errorf("the rest of a long packet was taken for an error %d times", n)
	}

	if err := p.Close(); err != nil {
		t.Error(err)
	}
	wait.Until(t, patience, func() error {
		stacks := make([]byte, 1<<22)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if n := strings.Count(string(stacks), "faults.(*link).run("); n > 0 {
			return fmt.Errorf("%d links still run after all is closed", n)
		}
		return nil
	})
}

func TestAProxySurvivesItsServer(t *testing.T) {
	first := startEcho(t, "127.0.0.1:0")
	p := newMySQL(t, first.addr())
	conn := dial(t, p.Addr())
	if err := exchange(conn, "hello"); err != nil {
		t.Fatal(err)
	}

	first.stop()
	if n, err := conn.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("server gone: read %d bytes, error %v; want the end of the connection", n, err)
	}
	isRefused(t, p.Addr())

	startEcho(t, first.addr())
	if err := exchange(dial(t, p.Addr()), "hello again"); err != nil {
		t.Errorf("server back: %v", err)
	}
}
