package faults

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// laneMax is how many packets are under way in one direction of a link before its sender has to
// wait.
const laneMax = 1024

// link is a client's connection and the proxy's connection to the server that belongs to it.
type link struct {
	ctx      context.Context // done: the link is cut
	cut      context.CancelFunc
	proxy    *proxy
	toServer *lane
	toClient *lane
}

func newLink(ctx context.Context, cut context.CancelFunc, p *proxy, client, server *net.TCPConn) *link {
	l := &link{ctx: ctx, cut: cut, proxy: p}
	l.toServer = &lane{link: l, from: client, to: server, queue: make(chan departure, laneMax)}
	l.toClient = &lane{link: l, from: server, to: client, queue: make(chan departure, laneMax)}
	return l
}

// run passes packets in both directions until both have ended.
func (l *link) run() {
	fromClient, fromServer, ended := l.proxy.dialect.talk(l)
	var all sync.WaitGroup
	all.Go(func() { l.toServer.collect(fromClient) })
	all.Go(func() { l.toClient.collect(fromServer) })
	all.Go(l.toServer.deliver)
	all.Go(l.toClient.deliver)
	all.Wait()
	if ended != nil {
		ended()
	}
}

// lane is one direction of a link. Packets that were collected wait in a queue until they may be
// delivered, so that a slow network delays packets without letting fewer of them through.
type lane struct {
	link     *link
	from, to *net.TCPConn
	queue    chan departure
	late     sync.WaitGroup // packets that passLater still holds
}

// departure is a packet and the earliest time at which it may go on.
type departure struct {
	packet []byte
	at     time.Time
}

// collect reads packets until there are no more and gives each to handle.
func (l *lane) collect(handle func(packet []byte)) {
	r := bufio.NewReader(l.from)
	for {
		packet, err := l.link.proxy.dialect.read(r)
		if err != nil {
			break // closed; a packet that was cut off in the middle is of no use
		}
		// Packets that came in the same read as one that cut the link would make rules fire without
		// effect.
		if l.link.ctx.Err() != nil {
			break
		}
		handle(packet)
	}
	l.late.Wait()
	close(l.queue)
}

// pass queues packet behind the others of its direction.
func (l *lane) pass(packet []byte) {
	at := time.Now().Add(l.link.proxy.weather.latency())
	select {
	case l.queue <- departure{packet, at}:
	case <-l.link.ctx.Done():
	}
}

// passLater passes packet after a pause, in which others overtake it. The direction stays open
// until then.
func (l *lane) passLater(packet []byte, pause time.Duration) {
	l.late.Go(func() {
		if waited(l.link.ctx, pause) {
			l.pass(packet)
		}
	})
}

// deliver writes what is queued, then ends the direction: the other end still reads everything and
// may answer.
func (l *lane) deliver() {
	for d := range l.queue {
		if !l.mayGo(d) {
			break
		}
		if _, err := l.to.Write(d.packet); err != nil {
			break
		}
	}

	for range l.queue { // cut, or the other end reads no more: collect must not wait for us
	}
	if l.link.proxy.weather.thawed(l.link.ctx) {
		_ = l.to.CloseWrite()
	}
}

// mayGo waits until d may be written; false: the link was cut meanwhile.
func (l *lane) mayGo(d departure) bool {
	return waited(l.link.ctx, time.Until(d.at)) && l.link.proxy.weather.letThrough(l.link.ctx)
}

// waited waits for a pause; false: ctx ended before.
func waited(ctx context.Context, pause time.Duration) bool {
	if pause <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// readSized reads the rest of a packet whose first bytes are head: size more bytes.
func readSized(r io.Reader, head []byte, size int) ([]byte, error) {
	packet := make([]byte, len(head)+size)
	copy(packet, head)
	_, err := io.ReadFull(r, packet[len(head):])
	return packet, err
}
