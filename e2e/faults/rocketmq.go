package faults

import (
	"bytes"
	"errors"
	"sync"
)

// RocketMQ is a pair of proxies: before a name server and before its one broker. Clients are given
// the address of the first, whose route answers name the second. Safe for concurrent use.
type RocketMQ struct {
	Weather // of both

	namesrv, broker *proxy
	brokerAddr      string // the real one, as the name server tells it

	mu      sync.Mutex
	rules   []*FrameRule
	fetched *fetches
}

// NewRocketMQ starts proxies before a name server and its broker (host:port each), which need not
// be there yet.
func NewRocketMQ(namesrv, broker string) (*RocketMQ, error) {
	p := &RocketMQ{brokerAddr: broker, fetched: newFetches()}
	d := dialect{read: readFrame, talk: p.talk}
	var err error
	if p.broker, err = newProxy(broker, &p.Weather, d); err != nil {
		return nil, err
	}
	if p.namesrv, err = newProxy(namesrv, &p.Weather, d); err != nil {
		return nil, errors.Join(err, p.broker.close())
	}
	return p, nil
}

// NamesrvAddr is what clients take for the name server, host:port.
func (p *RocketMQ) NamesrvAddr() string { return p.namesrv.addr() }

// Close ends the proxies and cuts their connections.
func (p *RocketMQ) Close() error { return errors.Join(p.namesrv.close(), p.broker.close()) }

// Add has a rule take effect at once. Rules are tried in the order in which they were added; the
// first one that fires decides.
func (p *RocketMQ) Add(r *FrameRule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, r)
}

// Clear removes all rules and ends the weather. Connections stay.
func (p *RocketMQ) Clear() {
	p.mu.Lock()
	p.rules = nil
	p.mu.Unlock()
	p.clear()
}

// CountWith makes this pair and another one count repeats together: a message that a client of
// either pair was given before is a repeat at both. A group's instances have a pair each. Call it
// before the first client comes.
func (p *RocketMQ) CountWith(other *RocketMQ) { p.fetched.seen = other.fetched.seen }

// MissedNamesrv is how many connections have found no name server.
func (p *RocketMQ) MissedNamesrv() int64 { return p.namesrv.missed.Load() }

// MissedBroker is how many connections have found no broker.
func (p *RocketMQ) MissedBroker() int64 { return p.broker.missed.Load() }

// act calls a rule's Then and returns its effect, or Pass while the faults are switched off; r is
// nil where no rule fires.
func (p *RocketMQ) act(r *FrameRule) FrameEffect {
	do := r.act()
	if !p.on() {
		return Pass
	}
	return do
}

// Fetched says what the clients of each group were given since the start.
func (p *RocketMQ) Fetched() map[string]Fetched { return p.fetched.count() }

// fires returns the rule that fires at a request or at the answer to it, nil if none does.
func (p *RocketMQ) fires(q request, answer bool) *FrameRule {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.rules {
		if r.Do.atAnswer() == answer && r.matches(q) && r.fire(r.Skip, r.Every, r.Limit) {
			return r
		}
	}
	return nil
}

// conversation is one connection: which answers are still expected.
type conversation struct {
	proxy *RocketMQ
	link  *link

	mu       sync.Mutex
	expected map[int32]expectation // by opaque
}

// expectation is a request that was passed on.
type expectation struct {
	request
	copies int // further answers that are swallowed; -1: this one
}

func (p *RocketMQ) talk(l *link) (fromClient, fromServer func([]byte), ended func()) {
	c := &conversation{proxy: p, link: l, expected: map[int32]expectation{}}
	return c.request, c.answer, nil
}

func (c *conversation) request(raw []byte) {
	f, readable := parseFrame(raw)
	if !readable || f.Flag&flagAnswer != 0 { // an answer to the broker's own question
		c.link.toServer.pass(raw)
		return
	}

	e := expectation{request: about(f)}
	rule := c.proxy.fires(e.request, false)
	do := c.proxy.act(rule)
	switch do {
	case DropRequest:
		return // no answer will come
	case CutRequest:
		c.link.cut()
		return
	case Twice:
		e.copies = 1
	case StripCommit:
		raw = f.withoutCommit()
	default:
	}

	if f.Flag&flagOneWay == 0 {
		c.mu.Lock()
		c.expected[f.Opaque] = e
		c.mu.Unlock()
	}

	if do == Delay {
		c.link.toServer.passLater(raw, rule.For)
		return
	}
	for range 1 + e.copies {
		c.link.toServer.pass(raw)
	}
}

func (c *conversation) answer(raw []byte) {
	f, readable := parseFrame(raw)
	if !readable || f.Flag&flagAnswer == 0 { // a question of the broker's own
		c.link.toClient.pass(raw)
		return
	}

	e, first := c.expect(f.Opaque)
	if !first {
		return
	}

	// The rules are asked only now: a rule that is removed while the server has the request, as it
	// has a pull for many seconds, must not act.
	e.full = f.Code == pullFound && len(f.body) > 0
	switch c.proxy.act(c.proxy.fires(e.request, true)) {
	case DropAnswer:
		return
	case CutAnswer:
		c.link.cut()
		return
	default:
	}

	switch e.code {
	case GetRoute:
		// The broker's address stands in the body as a text, and only there.
		raw = f.withBody(bytes.ReplaceAll(f.body, []byte(`"`+c.proxy.brokerAddr+`"`),
			[]byte(`"`+c.proxy.broker.addr()+`"`)))
	case PullMessage:
		c.proxy.fetched.add(e.request, f.body)
	}
	c.link.toClient.pass(raw)
}

// expect returns the request that an answer belongs to; false: it is the answer to a copy.
func (c *conversation) expect(opaque int32) (expectation, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.expected[opaque]
	switch {
	case e.copies > 0:
		c.expected[opaque] = expectation{copies: -1}
	case e.copies < 0:
		delete(c.expected, opaque)
		return e, false
	default:
		delete(c.expected, opaque)
	}
	return e, true
}
