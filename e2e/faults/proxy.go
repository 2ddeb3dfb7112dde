package faults

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// dialTimeout bounds one connection to the server: a stopped process with a full backlog answers
// nothing.
const dialTimeout = 3 * time.Second

// proxy takes connections on a port of its own and makes one to the server for each.
type proxy struct {
	listener net.Listener
	server   string // host:port
	weather  *Weather
	dialect  dialect
	missed   atomic.Int64 // connections that found no server
}

// dialect is what a proxy knows about the protocol that it passes on.
type dialect struct {
	// read reads one packet and returns its bytes as they came.
	read func(r io.Reader) ([]byte, error)
	// talk returns the functions that handle each packet of a new link: they pass it on with
	// link.toServer and link.toClient, or do not. Each of the two functions is called from one
	// goroutine only. ended is called when no packet comes any more in either direction; nil:
	// nothing is to be done then.
	talk func(l *link) (fromClient, fromServer func(packet []byte), ended func())
}

// newProxy listens on a free port of loopback. The server need not be there yet.
func newProxy(server string, weather *Weather, d dialect) (*proxy, error) {
	if _, _, err := net.SplitHostPort(server); err != nil {
		return nil, fmt.Errorf("proxy before server %q: %w; give host:port", server, err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a listener lives until Close, no context ends it
	if err != nil {
		return nil, fmt.Errorf("proxy before server %s: %w", server, err)
	}
	p := &proxy{listener: listener, server: server, weather: weather, dialect: d}
	go p.accept()
	return p, nil
}

// close ends listening and cuts every link.
func (p *proxy) close() error {
	p.weather.refuseAll()
	return p.listener.Close()
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		go p.serve(client.(*net.TCPConn))
	}
}

// serve passes packets between client and a new connection to the server until both sides have
// ended.
func (p *proxy) serve(client *net.TCPConn) {
	ctx, cut := context.WithCancel(context.Background())
	defer cut()
	context.AfterFunc(ctx, func() { reset(client) })
	leave, allowed := p.weather.enter(cut)
	if !allowed {
		return
	}
	defer leave()

	// In a frozen network the server must not hear of a new connection: it would time it out, and
	// count it.
	if !p.weather.thawed(ctx) {
		return
	}

	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", p.server)
	if err != nil {
		p.missed.Add(1)
		return // the server is down: so is the client's connection
	}
	server := conn.(*net.TCPConn)
	context.AfterFunc(ctx, func() { reset(server) })

	newLink(ctx, cut, p, client, server).run()
	if ctx.Err() != nil { // cut: a close in peace must not come before the reset
		reset(client)
		reset(server)
		return
	}
	_ = client.Close()
	_ = server.Close()
}

// reset closes a connection at once: what was not delivered is lost, the other end gets a
// "connection reset".
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
