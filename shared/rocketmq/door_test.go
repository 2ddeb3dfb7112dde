package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// caller dials a door as the library does.
type caller struct {
	t    *testing.T
	conn net.Conn
}

var master, slave = doorKey{"broker", masterID}, doorKey{"broker", "1"}

func testGateway(t *testing.T) *gateway {
	in := newGateway(inflateMax, testLogger(t))
	t.Cleanup(in.shutdown)
	return in
}

// call opens a door and dials it.
func call(t *testing.T, in *gateway, key doorKey, servers ...string) caller {
	t.Helper()
	d, err := in.door(key, servers, in.passMessages)
	if err != nil {
		t.Fatal(err)
	}

	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", d.addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return caller{t, conn}
}

func (c caller) ask(code int, opaque int32) {
	c.t.Helper()
	frame, err := encodeFrame(command{Code: code, Language: "GO", Opaque: opaque, Body: []byte("body")})
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.conn.Write(frame); err != nil {
		c.t.Fatal(err)
	}
}

// answerTo reads an answer, well within the 30 s that the library waits for one, and returns its
// code.
func (c caller) answerTo(opaque int32) int {
	c.t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
	got, err := readFrame(c.conn)
	if err != nil || got.Opaque != opaque || !got.isResponse() {
		c.t.Fatalf("answer %+v, error %v, want one to request %d", got, err, opaque)
	}
	return got.Code
}

func (c caller) wantAnswer(opaque int32, code int) {
	c.t.Helper()
	if got := c.answerTo(opaque); got != code {
		c.t.Fatalf("answer with code %d to request %d, want %d", got, opaque, code)
	}
}

// asked lists the requests that the fake servers received, each as "server code opaque".
type asked struct {
	mu   sync.Mutex
	list []string
}

func (a *asked) add(server string, request command) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, fmt.Sprint(server, " ", request.Code, " ", request.Opaque))
}

func (a *asked) want(t *testing.T, list ...string) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Equal(a.list, list) {
		t.Errorf("servers were asked %q, want %q", a.list, list)
	}
}

// server is a fake server that answers every request. After a request with the code unanswered it
// hangs up instead.
func (a *asked) server(t *testing.T, name string, unanswered int) (addr string) {
	return serve(t, func(conn net.Conn, _ int32) {
		for {
			request, err := readFrame(conn)
			if err != nil {
				return
			}
			a.add(name, request)
			if request.Code == unanswered {
				return
			}
			reply(t, conn, request)
		}
	})
}

func reply(t *testing.T, conn net.Conn, request command) {
	t.Helper()
	frame, err := encodeFrame(command{Opaque: request.Opaque, Flag: flagResponse})
	if err != nil {
		t.Error(err)
	}
	_, _ = conn.Write(frame) // a client that has gone reads nothing
}

const (
	requestPull = 11
	hangUp      = 99
)

func TestWhatAServerDoesNotAnswerIsRefusedWhenItGoes(t *testing.T) {
	t.Parallel()
	var a asked
	c := call(t, testGateway(t), master, a.server(t, "a", hangUp))
	c.ask(requestPull, 1)
	c.wantAnswer(1, 0)
	c.ask(hangUp, 2)
	c.wantAnswer(2, responseSystemError)
	c.ask(requestPull, 3) // over the same connection of the library, and another one to the server
	c.wantAnswer(3, 0)
	a.want(t, "a 11 1", "a 99 2", "a 11 3")
}

func TestANewConnectionBeginsWithTheLastHeartbeat(t *testing.T) {
	t.Parallel()
	var a asked
	c := call(t, testGateway(t), master, a.server(t, "a", hangUp))
	c.ask(requestHeartbeat, 1)
	c.wantAnswer(1, 0)

	c.ask(hangUp, 2)
	c.wantAnswer(2, responseSystemError)
	c.ask(requestPull, 3)
	c.wantAnswer(3, 0) // the answer to the greeting does not reach the library

	c.ask(hangUp, 4)
	c.wantAnswer(4, responseSystemError)
	c.ask(requestHeartbeat, 5) // a heartbeat needs no greeting before it
	c.wantAnswer(5, 0)

	a.want(t, "a 34 1", "a 99 2", "a 34 -1", "a 11 3", "a 99 4", "a 34 5")
}

func TestADoorLeadsToTheNewMaster(t *testing.T) {
	t.Parallel()
	var a asked
	in := testGateway(t)
	c := call(t, in, master, a.server(t, "a", requestPull))
	c.ask(requestHeartbeat, 1)
	c.wantAnswer(1, 0)

	in.masters([]Queue{{Broker: "broker", Addr: a.server(t, "b", hangUp)}})
	c.ask(requestPull, 2)
	if c.answerTo(2) == responseSystemError { // server a got the request and hung up
		c.ask(requestPull, 2)
		c.wantAnswer(2, 0)
	}

	a.mu.Lock()
	a.list = slices.DeleteFunc(a.list, func(s string) bool { return s == "a 11 2" })
	a.mu.Unlock()
	a.want(t, "a 34 1", "b 34 -1", "b 11 2")
}

// T29: a broker counts its consumers by connection.
func TestASlaveThatBecomesTheMasterIsBehindOneDoor(t *testing.T) {
	t.Parallel()
	var a asked
	in := testGateway(t)
	promoted := a.server(t, "b", hangUp)
	toMaster, toSlave := call(t, in, master, a.server(t, "a", hangUp)), call(t, in, slave, promoted)
	toSlave.ask(requestHeartbeat, 1)
	toSlave.wantAnswer(1, 0)

	in.masters([]Queue{{Broker: "broker", Addr: promoted}})
	eventually(t, received, func() error {
		toSlave.ask(requestPull, 2)
		if code := toSlave.answerTo(2); code != responseSystemError {
			return fmt.Errorf("what was the slave answers with code %d, want a refusal", code)
		}
		return nil
	})

	toMaster.ask(requestPull, 3)
	toMaster.wantAnswer(3, 0)
}

// T38: the library asks the next name server only when it hears nothing.
func TestANameServerThatHangsUpIsNoAnswer(t *testing.T) {
	t.Parallel()
	var a asked
	hangsUp := a.server(t, "a", requestPull)
	c := call(t, testGateway(t), doorKey{server: hangsUp}, hangsUp, deadAddr)
	c.ask(requestPull, 1)
	if err := c.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if got, err := readFrame(c.conn); !errors.Is(err, io.EOF) {
		t.Errorf("answer %+v, error %v, want the connection's end", got, err)
	}
}

// A server that takes the greeting and does not answer it, as a busy one may, still gets the
// library's requests.
func TestASlowGreetingHoldsNothingUpForLong(t *testing.T) {
	t.Parallel()
	var greetings atomic.Int32
	addr := serve(t, func(conn net.Conn, _ int32) {
		for {
			request, err := readFrame(conn)
			if err != nil || request.Code == hangUp {
				return
			}
			if request.Opaque == greetingOpaque {
				greetings.Add(1)
				continue
			}
			reply(t, conn, request)
		}
	})

	c := call(t, testGateway(t), master, addr)
	c.ask(requestHeartbeat, 1)
	c.wantAnswer(1, 0)
	c.ask(hangUp, 2)
	c.wantAnswer(2, responseSystemError)

	for opaque := range int32(5) {
		c.ask(requestPull, 10+opaque)
	}
	for opaque := range int32(5) {
		c.wantAnswer(10+opaque, 0)
	}

	if n := greetings.Load(); n != 1 {
		t.Errorf("the server was greeted %d times, want once", n)
	}
}

// T31: when a broker's master moves to another address, as in a failover, the consumer goes on
// there as soon as the watchdog sees the new address.
func TestAConsumerFollowsItsMaster(t *testing.T) {
	t.Parallel()
	const each = 10
	topic, p := testTopic(t, 2), testProducer(t)
	shown := newNamesrvProxy(t)
	namesrv := shown.target

	// Two gateways of one broker stand for its two addresses. The watchdog looks every 200 ms here,
	// every 5 s otherwise.
	machine := func() (*gateway, string) {
		in := testGateway(t)
		doors, err := in.namesrvs([]string{namesrv})
		if err != nil {
			t.Fatal(err)
		}
		return in, doors[0]
	}
	first, firstRoute := machine()
	_, secondRoute := machine()
	shown.lead(firstRoute)

	var r record
	c, err := NewOrderlyConsumer(ConsumerConfig{
		Namesrv: shown.addr, Group: testGroup(), Topic: topic, BatchMax: 8, Logger: testLogger(t),
	}, r.handle)
	if err != nil {
		t.Fatal(err)
	}
	c.timing.every = 200 * time.Millisecond
	t.Cleanup(func() { _ = c.Stop(context.WithoutCancel(t.Context())) })
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}

	publish(t, p, topic, 1, 2, 0, each)
	eventually(t, received, r.atLeast(each))

	first.shutdown()
	shown.lead(secondRoute)
	publish(t, p, topic, 1, 2, each, each)
	eventually(t, 15*time.Second, r.atLeast(2*each))
	wantBodies(t, r.bodies(1), numbers(0, 2*each))
	stop(t, c)
}
