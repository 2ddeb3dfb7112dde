package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve listens on loopback and gives each connection to handle, which gets its number from 1.
func serve(t *testing.T, handle func(conn net.Conn, number int32)) (addr string) {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })

	var number atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				handle(conn, number.Add(1))
			}()
		}
	}()

	return listener.Addr().String()
}

func testRemoting(t *testing.T) *remoting {
	r := newRemoting()
	t.Cleanup(r.shutdown)
	return r
}

// answer reads a request and answers it, with its opaque changed by change.
func answer(conn net.Conn, change int32) error {
	request, err := readFrame(conn)
	if err != nil {
		return err
	}
	frame, err := encodeFrame(command{
		Opaque: request.Opaque + change, Flag: flagResponse, Body: []byte("answer"),
	})
	if err != nil {
		return err
	}
	_, err = conn.Write(frame)
	return err
}

func TestCallIsBoundedByItsContext(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	addr := serve(t, func(net.Conn, int32) { <-release })
	r := testRemoting(t)

	for name, within := range map[string]func() (context.Context, context.CancelFunc){
		"deadline": func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), 100*time.Millisecond)
		},
		"cancelled": func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(100*time.Millisecond, cancel)
			return ctx, cancel
		},
	} {
		ctx, cancel := within()
		began := time.Now()
		_, err := r.call(ctx, addr, 1, nil, nil)
		cancel()

		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) ||
			!strings.Contains(err.Error(), addr) {
			t.Errorf("%s: error %v, want the context's with the address", name, err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("%s: took %s, want 100 ms", name, took)
		}
	}
}

func TestCallIsBoundedWithoutADeadline(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	addr := serve(t, func(net.Conn, int32) { <-release })

	began := time.Now()
	if _, err := testRemoting(t).call(t.Context(), addr, 1,
		nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want deadline exceeded", err)
	}
	if took := time.Since(began); took > callTimeout+time.Second {
		t.Errorf("took %s, want %s", took, callTimeout)
	}
}

// A server that closes the connection after each answer is asked over a new one each time, without
// an error.
func TestCallReconnects(t *testing.T) {
	var connections atomic.Int32
	addr := serve(t, func(conn net.Conn, number int32) {
		connections.Store(number)
		if err := answer(conn, 0); err != nil {
			t.Error(err)
		}
	})

	r := testRemoting(t)
	for i := range 3 {
		got, err := r.call(t.Context(), addr, 1, nil, nil)
		if err != nil || string(got.Body) != "answer" {
			t.Fatalf("call %d: %+v, error %v", i, got, err)
		}
	}

	if n := connections.Load(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}

// The late answer to a call that gave up is not taken for the next call's.
func TestCallMatchesAnswers(t *testing.T) {
	addr := serve(t, func(conn net.Conn, number int32) {
		for {
			// Before the answer come a request of the broker and a late answer to another request.
			request, err := readFrame(conn)
			if err != nil {
				return
			}

			for _, c := range []command{
				{Opaque: request.Opaque, Body: []byte("a request of the broker")},
				{Opaque: request.Opaque - 1, Flag: flagResponse, Body: []byte("late")},
				{Opaque: request.Opaque, Flag: flagResponse, Body: fmt.Append(nil, request.Code)},
			} {
				frame, err := encodeFrame(c)
				if err != nil {
					return
				}
				if _, err := conn.Write(frame); err != nil {
					return
				}
			}
		}
	})

	r := testRemoting(t)
	for code := range 5 {
		got, err := r.call(t.Context(), addr, code, nil, nil)
		if err != nil || string(got.Body) != fmt.Sprint(code) {
			t.Errorf("call %d: answer %q, error %v", code, got.Body, err)
		}
	}
}

func TestCallRefusesGarbage(t *testing.T) {
	addr := serve(t, func(conn net.Conn, _ int32) {
		_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	})
	if _, err := testRemoting(t).call(t.Context(), addr, 1, nil, nil); !errors.Is(err, errFrame) {
		t.Errorf("error %v, want %v", err, errFrame)
	}
}

func TestShutdownEndsCalls(t *testing.T) {
	called, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	addr := serve(t, func(conn net.Conn, _ int32) {
		if _, err := readFrame(conn); err == nil {
			close(called)
		}
		<-release
	})

	r := newRemoting()
	failed := make(chan error, 1)
	go func() {
		_, err := r.call(context.Background(), addr, 1, nil, nil)
		failed <- err
	}()

	<-called
	r.shutdown()
	if err := <-failed; !errors.Is(err, errClosed) {
		t.Errorf("call under way: error %v, want %v", err, errClosed)
	}
	if _, err := r.call(t.Context(), addr, 1, nil, nil); !errors.Is(err, errClosed) {
		t.Errorf("call afterwards: error %v, want %v", err, errClosed)
	}
}

// A silent name server leaves time for the next one.
func TestAdminGoesPastASilentNameServer(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	silent := serve(t, func(net.Conn, int32) { <-release })
	topic := testTopic(t, 1)
	admin, err := NewAdmin(silent + ";" + testNamesrv(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close() }()

	ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
	defer cancel()
	if _, err := admin.Route(ctx, topic); err != nil {
		t.Errorf("route: %v", err)
	}
}
