// Package faults breaks things on purpose, from outside of the services: it sits
// between them and their servers, on loopback.
package faults

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// comQuery is the command byte of a text query. Source: MySQL client/server protocol, COM_QUERY.
const comQuery = 0x03

// MySQL is a proxy before a MySQL server that can lose the answer to a COMMIT.
type MySQL struct {
	// LoseCommitAnswers is how many of the next COMMITs take effect on the server while
	// their answer is lost with the connection.
	LoseCommitAnswers atomic.Int64
	// Lost counts the answers that were lost.
	Lost atomic.Int64

	listener net.Listener
	server   string
	mu       sync.Mutex
	conns    []net.Conn
}

// NewMySQL starts a proxy before server (host:port) for the time of the test.
func NewMySQL(t *testing.T, server string) *MySQL {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a loopback listener of a test
	if err != nil {
		t.Fatal(err)
	}
	p := &MySQL{listener: listener, server: server}
	t.Cleanup(p.close)
	go p.accept()
	return p
}

// Addr is where clients connect, host:port.
func (p *MySQL) Addr() string { return p.listener.Addr().String() }

func (p *MySQL) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
}

func (p *MySQL) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		server, err := net.Dial("tcp", p.server) //nolint:noctx // a loopback connection of a test
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		go p.serve(client, server)
	}
}

// serve passes packets until one side ends.
func (p *MySQL) serve(client, server net.Conn) {
	var losing atomic.Bool
	go func() {
		defer client.Close()
		p.answers(client, server, &losing)
	}()
	defer server.Close()
	for {
		packet, err := readPacket(client)
		if err != nil {
			return
		}
		if isCommit(packet) && p.LoseCommitAnswers.Add(-1) >= 0 {
			losing.Store(true)
		}
		if _, err := server.Write(packet); err != nil {
			return
		}
	}
}

// answers passes the server's packets on, up to the one that is to be lost.
func (p *MySQL) answers(client, server net.Conn, losing *atomic.Bool) {
	for {
		packet, err := readPacket(server)
		if err != nil {
			return
		}
		if losing.Load() {
			p.Lost.Add(1)
			return
		}
		if _, err := client.Write(packet); err != nil {
			return
		}
	}
}

// readPacket reads a packet: three bytes of length, little endian, a sequence byte, the payload.
func readPacket(r io.Reader) ([]byte, error) {
	header := make([]byte, 4)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32([]byte{header[0], header[1], header[2], 0})
	packet := make([]byte, len(header)+int(length))
	copy(packet, header)
	if _, err := io.ReadFull(r, packet[len(header):]); err != nil {
		return nil, errors.Join(io.ErrUnexpectedEOF, err)
	}
	return packet, nil
}

func isCommit(packet []byte) bool {
	return len(packet) > 5 && packet[4] == comQuery && strings.EqualFold(string(packet[5:]), "COMMIT")
}
