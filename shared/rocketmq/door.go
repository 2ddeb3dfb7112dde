package rocketmq

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	requestHeartbeat = 34
	// greetingOpaque is the request number of our own heartbeat; the library numbers its requests
	// from 1 up.
	greetingOpaque = -1
	// greetTimeout bounds the wait for the answer to our heartbeat.
	greetTimeout = 3 * time.Second
	// acceptPause is the time until a door that could not take a connection tries again.
	acceptPause = 100 * time.Millisecond
)

// door is an address on loopback that the library dials instead of a server's. T31: the address
// stays while the server behind it changes. Without it the library would go on dialling a departed
// master for 30 s.
type door struct {
	gateway  *gateway
	listener net.Listener
	pass     pass

	mu sync.Mutex
	// Tried in this order; none once the slave behind this door is the master, which has its own
	// door.
	servers []string
	moved   context.Context // cancelled by lead and close
	move    context.CancelFunc
	// greeting is the library's last heartbeat. T29: each new connection begins with it, because a
	// broker refuses the pulls of a group that it does not know, and the next heartbeat may be 30 s
	// away.
	greeting *rawFrame
}

func openDoor(g *gateway, servers []string, p pass) (*door, error) {
	var listen net.ListenConfig
	listener, err := listen.Listen(g.done, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("gateway for %s: %w", servers[0], err)
	}

	d := &door{gateway: g, listener: listener, pass: p, servers: servers}
	d.moved, d.move = context.WithCancel(g.done)

	g.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil { // too many open files, say
				_ = pause(g.done, acceptPause)
				continue
			}
			g.running.Go(func() { (&visit{door: d, client: conn}).serve() })
		}
	})

	return d, nil
}

func (d *door) addr() string { return d.listener.Addr().String() }

// lead puts other servers behind the door. Connections to the previous ones are closed.
func (d *door) lead(servers []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Equal(d.servers, servers) {
		return
	}
	d.servers = servers
	d.move()
	d.moved, d.move = context.WithCancel(d.gateway.done)
}

func (d *door) leadsTo(servers []string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Equal(d.servers, servers)
}

// hasStandIns says whether this is the door of one of several name servers. Each of them has its
// own door (see gateway.namesrvs), so the library can try the next one. A broker's door has one
// server.
func (d *door) hasStandIns() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.servers) > 1
}

func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.move()
	_ = d.listener.Close()
}

// connect dials the servers in turn until one takes the connection. Each gets its share of the time
// that is left. The connection is closed when the door is led to other servers. A caller that
// closes the connection itself calls unwatch.
func (d *door) connect() (conn net.Conn, unwatch func() bool, err error) {
	d.mu.Lock()
	servers, moved := d.servers, d.moved
	d.mu.Unlock()
	if len(servers) == 0 {
		return nil, nil, errors.New("no server behind this door: the slave that was here is the master now")
	}

	deadline := time.Now().Add(dialTimeout)
	var failures []error
	for i, server := range servers {
		dialer := net.Dialer{Timeout: time.Until(deadline) / time.Duration(len(servers)-i)}
		conn, err := dialer.DialContext(moved, "tcp", server)
		if err == nil {
			return conn, context.AfterFunc(moved, func() { _ = conn.Close() }), nil
		}
		failures = append(failures, err)
	}

	return nil, nil, errors.Join(failures...)
}

// remember keeps a heartbeat of the library.
func (d *door) remember(f rawFrame) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.greeting = &f
}

// hello returns the greeting as a request of ours, or nil when the library has sent no heartbeat
// yet.
func (d *door) hello() (*rawFrame, error) {
	d.mu.Lock()
	greeting := d.greeting
	d.mu.Unlock()
	if greeting == nil {
		return nil, nil
	}

	var header map[string]json.RawMessage
	if err := json.Unmarshal(greeting.header, &header); err != nil {
		return nil, err
	}

	header["opaque"] = fmt.Append(nil, greetingOpaque)
	changed, err := json.Marshal(header)
	if err != nil {
		return nil, err
	}
	return &rawFrame{word: serializerJSON<<24 | uint32(len(changed)), header: changed, body: greeting.body}, nil //nolint:gosec // a header that was read is short
}

// visit is a connection of the library. It outlives the connections with the server. T30: if it
// ended with them, the library would wait up to 30 s for each open request. So the visit is kept,
// and the open requests are refused on it.
type visit struct {
	door   *door
	client net.Conn
	link   *link // with the server, nil before the first one; only serve's goroutine changes it

	writing sync.Mutex // held while a frame is written to the client
}

// link is a connection with a server.
type link struct {
	conn    net.Conn
	unwatch func() bool   // see connect
	greeted chan struct{} // closed when the greeting has its answer
	gone    chan struct{} // closed when the link has ended

	mu    sync.Mutex
	open  map[int32]bool // requests without an answer
	ended bool
}

// serve takes the library's requests until it hangs up.
func (v *visit) serve() {
	defer func() { _ = v.client.Close() }()
	defer context.AfterFunc(v.door.gateway.done, func() { _ = v.client.Close() })()
	defer func() {
		if v.link != nil {
			v.link.close()
		}
	}()

	requests := bufio.NewReader(v.client)
	for {
		f, err := readRaw(requests)
		if err != nil {
			return
		}
		var request command
		if err := json.Unmarshal(f.header, &request); err != nil {
			return
		}

		if err := v.forward(f, request); err != nil && v.refuse(request, err) != nil {
			return
		}
		if request.Code == requestHeartbeat && !request.isResponse() {
			v.door.remember(f)
		}
	}
}

// forward sends a frame of the library to the server. It returns an error when the server cannot be
// reached.
func (v *visit) forward(f rawFrame, request command) error {
	l := v.link
	if l == nil || !l.expects(request) {
		if request.isResponse() {
			return nil // the server that it answers has gone
		}
		var err error
		if l, err = v.newLink(request); err != nil {
			return err
		}
		v.link = l
	}

	if _, err := f.writeTo(l.conn); err != nil {
		l.close() // deliver then refuses the open requests
	}
	return nil
}

// newLink connects to the server and notes that it owes an answer to the request. It greets the
// server first, unless the request is itself a heartbeat.
func (v *visit) newLink(request command) (*link, error) {
	conn, unwatch, err := v.door.connect()
	if err != nil {
		return nil, err
	}

	l := &link{
		conn: conn, unwatch: unwatch, greeted: make(chan struct{}), gone: make(chan struct{}),
		open: map[int32]bool{},
	}
	v.door.gateway.running.Go(func() { v.deliver(l) })
	if request.Code != requestHeartbeat {
		v.greet(l)
	}

	if !l.expects(request) {
		return nil, fmt.Errorf("%s has hung up", conn.RemoteAddr())
	}
	return l, nil
}

// greet sends the library's last heartbeat and waits for the answer, greetTimeout at most. Without
// the wait, the server might take the next request before it has handled the heartbeat. A server
// that is too slow is asked all the same. If it refuses, the library asks again.
func (v *visit) greet(l *link) {
	hello, err := v.door.hello()
	if err != nil || hello == nil {
		return
	}
	if _, err := hello.writeTo(l.conn); err != nil {
		l.close()
		return
	}

	select {
	case <-l.greeted:
	case <-l.gone:
	case <-time.After(greetTimeout):
	}
}

// deliver hands the server's frames to the library until either hangs up.
func (v *visit) deliver(l *link) {
	defer l.close()
	answers := bufio.NewReaderSize(l.conn, 64<<10)
	for {
		f, err := readRaw(answers)
		if err != nil {
			v.ended(l, err)
			return
		}

		var answer command
		if json.Unmarshal(f.header, &answer) == nil && answer.isResponse() {
			if answer.Opaque == greetingOpaque {
				close(l.greeted) // a link is greeted once
				continue
			}
			l.answered(answer.Opaque)
		}

		if err := v.hand(f); err != nil {
			v.ended(l, err)
			return
		}
	}
}

// ended refuses the requests that a link has left open. T38: at the door of one of several name
// servers it closes the library's connection instead. The library takes a refusal for an answer and
// would not ask the next name server.
func (v *visit) ended(l *link, cause error) {
	open := l.end()
	if len(open) > 0 && v.door.hasStandIns() {
		_ = v.client.Close()
		return
	}
	for _, opaque := range open {
		_ = v.refuse(command{Opaque: opaque}, fmt.Errorf("the connection has ended: %w", cause))
	}
}

// hand gives a frame of the server to the library.
func (v *visit) hand(f rawFrame) error {
	out, drop := v.door.pass(f)
	if drop {
		return nil
	}
	return v.toClient(out)
}

// expects notes that a request is to be answered on this link. It returns false when the link has
// ended.
func (l *link) expects(request command) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended && !request.isResponse() && request.Flag&flagOneWay == 0 {
		l.open[request.Opaque] = true
	}
	return !l.ended
}

func (l *link) close() {
	l.unwatch()
	_ = l.conn.Close()
}

func (l *link) answered(opaque int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, opaque)
}

// end ends the link and returns the requests that will get no answer.
func (l *link) end() (open []int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	close(l.gone)
	for opaque := range l.open {
		open = append(open, opaque)
	}
	return open
}

// refuse answers a request whose server cannot be reached, with the code that the library takes for
// "try again later".
func (v *visit) refuse(request command, cause error) error {
	if request.isResponse() || request.Flag&flagOneWay != 0 {
		return nil
	}

	header, err := json.Marshal(command{
		Code: responseSystemError, Language: "GO", Version: clientVersion, Opaque: request.Opaque,
		Flag:   flagResponse,
		Remark: fmt.Sprintf("cannot be reached: %v", cause),
	})
	if err != nil {
		return err
	}
	return v.toClient(rawFrame{word: serializerJSON<<24 | uint32(len(header)), header: header}) //nolint:gosec // a header is short
}

func (v *visit) toClient(f rawFrame) error {
	v.writing.Lock()
	defer v.writing.Unlock()
	_, err := f.writeTo(v.client)
	return err
}
