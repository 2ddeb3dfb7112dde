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
	// greetingOpaque is the number of a request that the library does not know of. Its own count up from 1.
	greetingOpaque = -1
)

// door is an address on loopback that the library dials for a server. The address stays while the server behind it changes:
// the library asks for the route every 30 s, which is how long it would go on dialling a master that has gone.
type door struct {
	intake   *intake
	listener net.Listener
	pass     pass

	mu      sync.Mutex
	servers []string        // behind it; the others stand in while the first cannot be reached
	moved   context.Context // done when others are behind it
	move    context.CancelFunc
	// greeting is the library's last heartbeat. A broker refuses the pulls of a group that it does not know, and one that
	// has just started, or has just become the master, knows none before the next heartbeat, 30 s away at most: so each new
	// connection begins with it.
	greeting *rawFrame
}

func openDoor(in *intake, servers []string, p pass) (*door, error) {
	var listen net.ListenConfig
	listener, err := listen.Listen(in.done, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("intake for %s: %w", servers[0], err)
	}
	d := &door{intake: in, listener: listener, pass: p, servers: servers}
	d.moved, d.move = context.WithCancel(in.done)
	in.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			in.running.Go(func() { (&visit{door: d, client: conn}).serve() })
		}
	})
	return d, nil
}

func (d *door) addr() string { return d.listener.Addr().String() }

// lead puts other servers behind the door. Connections with those before end.
func (d *door) lead(servers []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Equal(d.servers, servers) {
		return
	}
	d.servers = servers
	d.move()
	d.moved, d.move = context.WithCancel(d.intake.done)
}

func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.move()
	_ = d.listener.Close()
}

// connect dials the servers in turn until one takes the connection. Each has its share of the time that is left. The
// connection ends when the door leads elsewhere, unless stay is called.
func (d *door) connect() (conn net.Conn, stay func() bool, err error) {
	d.mu.Lock()
	servers, moved := d.servers, d.moved
	d.mu.Unlock()
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

// hello is the greeting as a request of ours; nil: the library has sent no heartbeat yet.
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

// visit is a connection of the library. It outlives the connections with the server: the library fails no request whose
// connection ends, and waits up to 30 s for each.
type visit struct {
	door   *door
	client net.Conn
	link   *link // with the server, nil before the first; only serve's goroutine changes it

	writing sync.Mutex // of frames to the client
}

// link is a connection with a server.
type link struct {
	conn    net.Conn
	answers *bufio.Reader
	stay    func() bool // see connect

	mu    sync.Mutex
	open  map[int32]bool // requests without an answer
	ended bool
}

// serve takes the library's requests until it hangs up.
func (v *visit) serve() {
	defer func() { _ = v.client.Close() }()
	defer context.AfterFunc(v.door.intake.done, func() { _ = v.client.Close() })()
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

// forward sends a frame of the library to the server. While that cannot be reached, the error says so.
func (v *visit) forward(f rawFrame, request command) error {
	l := v.link
	if l == nil || !l.expects(request) {
		var err error
		if l, err = v.newLink(request); err != nil {
			return err
		}
		v.link = l
		l.expects(request)
	}
	if _, err := f.writeTo(l.conn); err != nil {
		l.close() // whoever reads the answers refuses what is open
	}
	return nil
}

// newLink connects to the server and greets it.
func (v *visit) newLink(request command) (*link, error) {
	conn, stay, err := v.door.connect()
	if err != nil {
		return nil, err
	}
	l := &link{conn: conn, answers: bufio.NewReaderSize(conn, 64<<10), stay: stay, open: map[int32]bool{}}
	if request.Code != requestHeartbeat {
		if err := v.greet(l); err != nil {
			l.close()
			return nil, fmt.Errorf("greet %s: %w", conn.RemoteAddr(), err)
		}
	}
	v.door.intake.running.Go(func() { v.deliver(l) })
	return l, nil
}

// greet waits for the server's answer: it could take the next request before it has looked at this one.
func (v *visit) greet(l *link) error {
	hello, err := v.door.hello()
	if err != nil || hello == nil {
		return err
	}
	if err := l.conn.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return err
	}
	if _, err := hello.writeTo(l.conn); err != nil {
		return err
	}
	for {
		f, err := readRaw(l.answers)
		if err != nil {
			return err
		}
		var answer command
		if err := json.Unmarshal(f.header, &answer); err != nil {
			return err
		}
		if answer.isResponse() && answer.Opaque == greetingOpaque {
			return l.conn.SetDeadline(time.Time{})
		}
		if err := v.hand(f); err != nil { // a request of the server's, such as that its consumers have changed
			return err
		}
	}
}

// deliver hands the server's frames to the library until the connection ends, and then refuses what has no answer.
func (v *visit) deliver(l *link) {
	defer l.close()
	for {
		f, err := readRaw(l.answers)
		if err != nil {
			for _, opaque := range l.end() {
				_ = v.refuse(command{Opaque: opaque}, fmt.Errorf("the connection has ended: %w", err))
			}
			return
		}
		var answer command
		if json.Unmarshal(f.header, &answer) == nil && answer.isResponse() {
			l.answered(answer.Opaque)
		}
		if v.hand(f) != nil {
			return
		}
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

// expects notes that a request is to be answered on this link; false: the link has ended.
func (l *link) expects(request command) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended && !request.isResponse() && request.Flag&flagOneWay == 0 {
		l.open[request.Opaque] = true
	}
	return !l.ended
}

func (l *link) close() {
	l.stay()
	_ = l.conn.Close()
}

func (l *link) answered(opaque int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, opaque)
}

// end returns the requests that get no answer any more.
func (l *link) end() (open []int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for opaque := range l.open {
		open = append(open, opaque)
	}
	return open
}

// refuse answers a request for a server that cannot be reached: what the library takes for "try again later".
func (v *visit) refuse(request command, cause error) error {
	if request.isResponse() || request.Flag&flagOneWay != 0 {
		return nil
	}
	header, err := json.Marshal(command{
		Code: responseSystemError, Language: "GO", Version: clientVersion, Opaque: request.Opaque, Flag: flagResponse,
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
