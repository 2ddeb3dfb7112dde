package rocketmq

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// callTimeout bounds one request to one address: dialling, sending and the answer.
	callTimeout = 3 * time.Second
	// strayFramesMax is how many frames that answer nothing are skipped before a connection is
	// given up.
	strayFramesMax = 1000
)

var errClosed = errors.New("rocketmq: admin client is closed")

// responseError is an answer of a server that is not a success.
type responseError struct {
	Addr   string
	Code   int
	Remark string
}

func (e *responseError) Error() string {
	return fmt.Sprintf("%s answered code %d: %s", e.Addr, e.Code, e.Remark)
}

// remoting sends requests and waits for their answers, one at a time for each address, over one
// connection for each address.
type remoting struct {
	opaque atomic.Int32
	closed context.Context // done at close: ends the calls under way
	close  context.CancelFunc

	mu    sync.Mutex
	peers map[string]*peer
}

// peer is the server at one address, with the connection to it. A call uses conn and reader only
// while it holds turn.
type peer struct {
	addr   string
	turn   chan struct{}
	conn   net.Conn // nil: not connected
	reader *bufio.Reader
}

func newRemoting() *remoting {
	closed, cancel := context.WithCancel(context.Background())
	return &remoting{closed: closed, close: cancel, peers: map[string]*peer{}}
}

// ask is call, but every answer other than success becomes a *responseError.
func (r *remoting) ask(
	ctx context.Context, addr string, code int, fields map[string]string, body []byte,
) (command, error) {
	answer, err := r.call(ctx, addr, code, fields, body)
	if err == nil && answer.Code != responseSuccess {
		err = &responseError{addr, answer.Code, answer.Remark}
	}
	return answer, err
}

// call sends a request to addr and returns the answer, which may be an error answer. Every request
// made here may be sent twice without harm.
func (r *remoting) call(
	ctx context.Context, addr string, code int, fields map[string]string, body []byte,
) (command, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	defer context.AfterFunc(r.closed, cancel)() //nolint:contextcheck // closing is not the caller's context

	p := r.peer(addr)
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return command{}, r.explain(ctx, addr, ctx.Err())
	}
	if r.closed.Err() != nil {
		return command{}, errClosed
	}

	request := command{
		Code: code, Language: "GO", Version: clientVersion, Opaque: r.opaque.Add(1), ExtFields: fields,
		Body: body,
	}

	reused := p.conn != nil
	answer, err := p.roundTrip(ctx, request)
	// A server that restarted has closed the connection that we kept. The error then says nothing
	// about the server now, so the request is sent once more.
	if err != nil && reused && ctx.Err() == nil {
		answer, err = p.roundTrip(ctx, request)
	}
	if err != nil {
		return command{}, r.explain(ctx, addr, err)
	}
	return answer, nil
}

func (r *remoting) explain(ctx context.Context, addr string, err error) error {
	if r.closed.Err() != nil {
		return errClosed
	}
	// Give the context's error. "i/o timeout" is only how the connection was woken.
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return fmt.Errorf("%s did not answer: %w", addr, err)
}

func (r *remoting) peer(addr string) *peer {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.peers[addr]
	if p == nil {
		p = &peer{addr: addr, turn: make(chan struct{}, 1)}
		r.peers[addr] = p
	}
	return p
}

// shutdown ends the calls under way and closes the connections.
func (r *remoting) shutdown() {
	r.close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.peers {
		p.turn <- struct{}{}
		p.drop()
		<-p.turn
	}
}

func (p *peer) roundTrip(ctx context.Context, request command) (answer command, err error) {
	frame, err := encodeFrame(request)
	if err != nil {
		return command{}, err
	}
	if err := p.connect(ctx); err != nil {
		return command{}, err
	}

	conn := p.conn
	// The context always ends, by callTimeout. A deadline 1 s after the epoch is in the past, so it
	// wakes reads and writes.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		// After an error the connection is in the middle of a frame, or the answer may come later
		// and be taken for another request's. When stop returns false, the deadline is just being
		// set and would hit the next call.
		if !stop() || err != nil {
			p.drop()
		}
	}()

	if _, err := conn.Write(frame); err != nil {
		return command{}, err
	}
	for range strayFramesMax {
		answer, err := readFrame(p.reader)
		if err != nil {
			return command{}, err
		}
		if answer.isResponse() && answer.Opaque == request.Opaque {
			return answer, nil
		}
	}

	return command{}, fmt.Errorf("%d frames, none of them the answer to request %d",
		strayFramesMax, request.Code)
}

func (p *peer) connect(ctx context.Context) error {
	if p.conn != nil {
		return nil
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", p.addr)
	if err != nil {
		return err
	}
	p.conn, p.reader = conn, bufio.NewReader(conn)
	return nil
}

func (p *peer) drop() {
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn, p.reader = nil, nil
	}
}
