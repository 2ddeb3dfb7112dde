package rocketmq

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// caller dials a door as the library does.
type caller struct {
	t    *testing.T
	conn net.Conn
}

func testDoor(t *testing.T, servers ...string) (*door, caller) {
	t.Helper()
	in := newIntake(inflateMax, testLogger(t))
	t.Cleanup(in.shutdown)
	d, err := in.door("broker/0", servers, in.passMessages)
	if err != nil {
		t.Fatal(err)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", d.addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return d, caller{t, conn}
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

// wantAnswer reads an answer, well within the 30 s that the library waits for one.
func (c caller) wantAnswer(opaque int32, code int) {
	c.t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
	got, err := readFrame(c.conn)
	if err != nil {
		c.t.Fatal(err)
	}
	if got.Opaque != opaque || got.Code != code || !got.isResponse() {
		c.t.Fatalf("answer %+v, want code %d to request %d", got, code, opaque)
	}
}

// asked are the requests that fake servers were asked, as "server code opaque".
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

// server answers every request but those with a code of unanswered, on which it hangs up.
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
			frame, err := encodeFrame(command{Opaque: request.Opaque, Flag: flagResponse})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := conn.Write(frame); err != nil {
				return
			}
		}
	})
}

const (
	requestPull = 11
	hangUp      = 99
)

func TestWhatAServerDoesNotAnswerIsRefusedWhenItGoes(t *testing.T) {
	t.Parallel()
	var a asked
	_, c := testDoor(t, a.server(t, "a", hangUp))
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
	_, c := testDoor(t, a.server(t, "a", hangUp))
	c.ask(requestHeartbeat, 1)
	c.wantAnswer(1, 0)
	c.ask(hangUp, 2)
	c.wantAnswer(2, responseSystemError)
	c.ask(requestPull, 3)
	c.wantAnswer(3, 0) // and no answer to the greeting
	c.ask(hangUp, 4)
	c.wantAnswer(4, responseSystemError)
	c.ask(requestHeartbeat, 5) // it is its own greeting
	c.wantAnswer(5, 0)
	a.want(t, "a 34 1", "a 99 2", "a 34 -1", "a 11 3", "a 99 4", "a 34 5")
}

func TestADoorLeadsToTheNewMaster(t *testing.T) {
	t.Parallel()
	var a asked
	before, after := a.server(t, "a", hangUp), a.server(t, "b", hangUp)
	d, c := testDoor(t, before)
	c.ask(requestHeartbeat, 1)
	c.wantAnswer(1, 0)
	d.lead([]string{after})
	c.ask(requestPull, 2)
	if got := c.answerOf(2); got == responseSystemError { // the connection with the first was just ending
		c.ask(requestPull, 2)
		c.wantAnswer(2, 0)
	}
	d.lead([]string{after})
	c.ask(requestPull, 3)
	c.wantAnswer(3, 0)
	a.mu.Lock()
	a.list = slices.DeleteFunc(a.list, func(s string) bool { return s == "a 11 2" })
	a.mu.Unlock()
	a.want(t, "a 34 1", "b 34 -1", "b 11 2", "b 11 3")
}

// answerOf reads the answer to a request and returns its code.
func (c caller) answerOf(opaque int32) int {
	c.t.Helper()
	got, err := readFrame(c.conn)
	if err != nil || got.Opaque != opaque {
		c.t.Fatalf("answer %+v, error %v, want one to request %d", got, err, opaque)
	}
	return got.Code
}

// switched stands before name servers and shows one of them at a time.
type switched struct {
	mu     sync.Mutex
	target string
	live   map[net.Conn]bool
}

func (s *switched) to(target string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.target = target
	for conn := range s.live {
		_ = conn.Close()
	}
	clear(s.live)
}

func (s *switched) serve(t *testing.T) (addr string) {
	return serve(t, func(client net.Conn, _ int32) {
		s.mu.Lock()
		target := s.target
		s.live[client] = true
		s.mu.Unlock()
		var dialer net.Dialer
		server, err := dialer.DialContext(t.Context(), "tcp", target)
		if err != nil {
			return
		}
		defer func() { _ = server.Close() }()
		go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
		_, _ = io.Copy(client, server)
	})
}

// A broker whose master has moved to another address, as after a failover, is consumed from there as soon as the
// watchdog sees it: the library by itself asks for the route every 30 s, and tells the new master of the group as seldom.
func TestAConsumerFollowsItsMaster(t *testing.T) {
	t.Parallel()
	const each = 10
	topic, p := testTopic(t, 2), testProducer(t)
	namesrv := strings.TrimPrefix(testNamesrv(t), "http://")
	// An intake stands for the broker's machine: its doors are the broker's addresses.
	machine := func() (*intake, string) {
		in := newIntake(inflateMax, testLogger(t))
		t.Cleanup(in.shutdown)
		doors, err := in.namesrvs([]string{namesrv})
		if err != nil {
			t.Fatal(err)
		}
		return in, doors[0]
	}
	first, firstRoute := machine()
	_, secondRoute := machine()
	shown := &switched{target: firstRoute, live: map[net.Conn]bool{}}

	var r record
	c, err := NewOrderlyConsumer(ConsumerConfig{
		Namesrv: shown.serve(t), Group: testGroup(), Topic: topic, BatchMax: 8, Logger: testLogger(t),
	}, r.handle)
	if err != nil {
		t.Fatal(err)
	}
	c.timing.every = 200 * time.Millisecond
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	publish(t, p, topic, 1, 2, 0, each)
	eventually(t, received, r.atLeast(each))

	first.shutdown()
	shown.to(secondRoute)
	publish(t, p, topic, 1, 2, each, each)
	eventually(t, 15*time.Second, r.atLeast(2*each))
	wantBodies(t, r.bodies(1), numbers(0, 2*each))
	stop(t, c)
}
