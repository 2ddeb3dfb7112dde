package faults

import (
	"strings"
	"sync"
)

// MySQL is a proxy before a MySQL or MariaDB server. It knows statements and transactions, not
// results. Safe for concurrent use.
type MySQL struct {
	Weather

	proxy  *proxy
	mu     sync.Mutex
	rules  []*SQLRule
	errors map[uint16]int64
}

// NewMySQL starts a proxy before server (host:port), which need not be there yet. Clients must not
// use TLS.
func NewMySQL(server string) (*MySQL, error) {
	p := &MySQL{errors: map[uint16]int64{}}
	var err error
	p.proxy, err = newProxy(server, &p.Weather, dialect{read: readPacket, talk: p.talk})
	return p, err
}

// Addr is where clients connect, host:port.
func (p *MySQL) Addr() string { return p.proxy.addr() }

// Close ends the proxy and cuts its connections.
func (p *MySQL) Close() error { return p.proxy.close() }

// Add has a rule take effect at once. Rules are tried in the order in which they were added; the
// first one that fires decides.
func (p *MySQL) Add(r *SQLRule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, r)
}

// Clear removes all rules and ends the weather. Connections stay.
func (p *MySQL) Clear() {
	p.mu.Lock()
	p.rules = nil
	p.mu.Unlock()
	p.clear()
}

// Errors is how many errors with this number the server has answered since the start.
func (p *MySQL) Errors(number uint16) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.errors[number]
}

// Missed is how many connections have found no server.
func (p *MySQL) Missed() int64 { return p.proxy.missed.Load() }

// fires returns the rule that fires at a moment, nil if none does. Texts are in lower case.
func (p *MySQL) fires(at SQLMoment, text, transaction string) *SQLRule {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.rules {
		if r.matches(at, text, transaction) && r.fire(r.Skip, r.Every, r.Limit) {
			return r
		}
	}
	return nil
}

// session is one connection, and the transaction on it.
type session struct {
	proxy *MySQL
	link  *link

	mu        sync.Mutex
	open      bool            // in a transaction
	text      strings.Builder // its statements, in lower case
	committed string          // text of the transaction whose COMMIT is under way; empty: none is
	held      *SQLRule        // of the statement that was held and has not been answered; nil: none
	// The server's last packet was as long as one can be: the next one goes on with it.
	big bool
}

func (p *MySQL) talk(l *link) (fromClient, fromServer func([]byte), ended func()) {
	s := &session{proxy: p, link: l}
	return s.request, s.answer, func() { s.answered(true) }
}

func (s *session) request(packet []byte) {
	text := strings.ToLower(statement(packet))
	if text == "" {
		s.link.toServer.pass(packet)
		return
	}

	at, about := AtStatement, text
	s.mu.Lock()
	switch {
	case begins(text, "commit"):
		at, about = BeforeCommit, s.text.String()
		s.committed = about + " " // of an empty transaction too
		s.open = false
	case begins(text, "rollback to"): // a savepoint: the transaction goes on
	case begins(text, "rollback"):
		s.open = false
	case begins(text, "start transaction"), begins(text, "begin"):
		s.open = true
		s.text.Reset()
	case s.open:
		s.text.WriteString(text)
		s.text.WriteByte('\n')
	}

	transaction := about
	if at == AtStatement && s.open {
		transaction = s.text.String()
	}
	s.mu.Unlock()

	rule := s.proxy.fires(at, about, transaction)
	if rule != nil && rule.Do == Hold && at == AtStatement {
		s.mu.Lock()
		s.held = rule
		s.mu.Unlock()
	}
	s.act(rule, func() { s.link.toServer.pass(packet) })
}

func (s *session) answer(packet []byte) {
	number := uint16(0)
	if !s.big {
		number = errorNumber(packet)
	}
	s.big = len(packet) == packetHeader+packetMost
	s.answered(number != 0)
	if number != 0 {
		s.proxy.mu.Lock()
		s.proxy.errors[number]++
		s.proxy.mu.Unlock()
	}

	s.mu.Lock()
	committed := s.committed
	s.committed = ""
	s.mu.Unlock()

	var rule *SQLRule
	if committed != "" && number == 0 {
		rule = s.proxy.fires(AfterCommit, committed, committed)
	}
	s.act(rule, func() { s.link.toClient.pass(packet) })
}

// answered takes note of how the statement that was held ended.
func (s *session) answered(refused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != nil && refused {
		s.held.refused.Add(1)
	}
	s.held = nil
}

// act does what a rule says with a packet that pass would pass on.
func (s *session) act(rule *SQLRule, pass func()) {
	if rule == nil {
		pass()
		return
	}
	if rule.Then != nil {
		rule.Then()
	}

	do := rule.Do
	if !s.proxy.on() {
		do = Let
	}
	switch do {
	case Cut:
		s.link.cut()
	case Hold:
		if waited(s.link.ctx, rule.For) {
			pass()
		}
	case Refuse:
		s.mu.Lock()
		s.committed = "" // no answer to a COMMIT will come
		s.mu.Unlock()
		s.link.toClient.pass(errorPacket(rule.Answer))
	case Let:
		pass()
	}
}
