package rocketmq

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// namesrvProxy stands before a name server, at first the real one, and can be taken away.
type namesrvProxy struct {
	addr   string
	mu     sync.Mutex
	target string
	down   string // "", "refuse" (closes connections) or "silent" (takes them and never answers)
	live   map[net.Conn]bool
}

func newNamesrvProxy(t *testing.T) *namesrvProxy {
	t.Helper()
	p := &namesrvProxy{target: strings.TrimPrefix(testNamesrv(t), "http://"), live: map[net.Conn]bool{}}
	p.addr = serve(t, func(client net.Conn, _ int32) {
		p.mu.Lock()
		down, target := p.down, p.target
		p.live[client] = true
		p.mu.Unlock()

		switch down {
		case "refuse":
			return
		case "silent":
			_, _ = io.Copy(io.Discard, client)
			return
		}

		var dialer net.Dialer
		server, err := dialer.DialContext(t.Context(), "tcp", target)
		if err != nil {
			return
		}
		defer func() { _ = server.Close() }()
		go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
		_, _ = io.Copy(client, server)
	})

	t.Cleanup(func() { p.take("refuse") })
	return p
}

func (p *namesrvProxy) take(down string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
	p.hangUp()
}

// lead puts another name server behind the proxy.
func (p *namesrvProxy) lead(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
	p.hangUp()
}

func (p *namesrvProxy) hangUp() {
	for conn := range p.live {
		_ = conn.Close()
	}
	clear(p.live)
}

// Once the route is known, publishing and consuming go on without a name server.
func TestNameServerAwayLater(t *testing.T) {
	for _, down := range []string{"refuse", "silent"} {
		t.Run(down, func(t *testing.T) {
			t.Parallel()
			topic, group, proxy := testTopic(t, 2), testGroup(), newNamesrvProxy(t)
			p, err := NewProducer(ProducerConfig{Namesrv: proxy.addr, Group: group, Logger: testLogger(t)})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = p.Close() }()

			var r record
			c, err := NewOrderlyConsumer(ConsumerConfig{
				Namesrv: proxy.addr, Group: group, Topic: topic, BatchMax: 8, Logger: testLogger(t),
			}, r.handle)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}

			publish(t, p, topic, 1, 2, 0, 10)
			eventually(t, received, r.atLeast(10))

			proxy.take(down)
			for _, first := range []int{10, 20, 30} {
				select { // until the route has to be asked for again
				case <-time.After(routeTTL):
				case <-t.Context().Done():
				}
				publish(t, p, topic, 1, 2, first, 10)
			}
			eventually(t, received, r.atLeast(40))
			wantBodies(t, r.bodies(1), numbers(0, 40))

			// And a stop still commits to the broker.
			stop(t, c)
			lags, err := testAdmin(t).Lag(t.Context(), topic, group)
			if err != nil || lags[1].Committed != 40 {
				t.Errorf("committed offset is %d, want 40 (error %v)", lags[1].Committed, err)
			}
		})
	}
}

// A start while the name server is away fails in bounded time, and works when it is back.
func TestNameServerAwayAtStart(t *testing.T) {
	for _, down := range []string{"refuse", "silent"} {
		t.Run(down, func(t *testing.T) {
			t.Parallel()
			topic, proxy := testTopic(t, 1), newNamesrvProxy(t)
			publish(t, testProducer(t), topic, 0, 1, 0, 3)
			proxy.take(down)

			var r record
			c, err := NewOrderlyConsumer(ConsumerConfig{
				Namesrv: proxy.addr, Group: testGroup(), Topic: topic, BatchMax: 8, Logger: testLogger(t),
			}, r.handle)
			if err != nil {
				t.Fatal(err)
			}

			began := time.Now()
			if err := c.Start(); err == nil || !strings.Contains(err.Error(), proxy.addr) {
				t.Errorf("start: error %v, want one that names %s", err, proxy.addr)
			}
			if took := time.Since(began); took > startTimeout+time.Second {
				t.Errorf("start took %s", took)
			}

			proxy.take("")
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, received, r.atLeast(3))
			stop(t, c)
		})
	}
}
