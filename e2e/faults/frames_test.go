package faults_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"strings"
	"testing"

	"settlement/e2e/faults"
)

// header is a header of the remoting protocol, with the fields that matter here.
type header struct {
	Code      int               `json:"code"`
	Opaque    int32             `json:"opaque"`
	Flag      int               `json:"flag"`
	ExtFields map[string]string `json:"extFields,omitempty"`
}

const (
	flagAnswer = 1
	flagOneWay = 2
)

func frame(t *testing.T, h header, body string) []byte {
	t.Helper()
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	raw := binary.BigEndian.AppendUint32(nil, uint32(4+len(text)+len(body))) //nolint:gosec // a test's few bytes
	raw = binary.BigEndian.AppendUint32(raw, uint32(len(text)))              //nolint:gosec // a test's few bytes
	return append(append(raw, text...), body...)
}

// peer is one end of a conversation, played by the test.
type peer struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (p peer) send(h header, body string) {
	p.t.Helper()
	if _, err := p.Write(frame(p.t, h, body)); err != nil {
		p.t.Fatal(err)
	}
}

func (p peer) next() (h header, body string) {
	p.t.Helper()
	head := make([]byte, 8)
	if _, err := io.ReadFull(p.r, head); err != nil {
		p.t.Fatal(err)
	}
	rest := make([]byte, binary.BigEndian.Uint32(head)-4)
	if _, err := io.ReadFull(p.r, rest); err != nil {
		p.t.Fatal(err)
	}
	length := binary.BigEndian.Uint32(head[4:])
	if err := json.Unmarshal(rest[:length], &h); err != nil {
		p.t.Fatal(err)
	}
	return h, string(rest[length:])
}

// conversation is a client and a server that talk through a proxy.
func conversation(t *testing.T) (p *faults.RocketMQ, client, server peer) {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()

	p, err = faults.NewRocketMQ(listener.Addr().String(), "127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })

	conn := dial(t, p.NamesrvAddr())
	other, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	return p, peer{conn, t, bufio.NewReader(conn)}, peer{other, t, bufio.NewReader(other)}
}

func TestARouteAnswerNamesTheProxy(t *testing.T) {
	_, client, server := conversation(t)
	client.send(header{Code: faults.GetRoute, Opaque: 1}, "")
	server.next()

	const route = `{"brokerDatas":[{"brokerAddrs":{0:"127.0.0.1:1"},"brokerName":"b 127.0.0.1:1"}]}`
	server.send(header{Opaque: 1, Flag: flagAnswer}, route)
	_, body := client.next()
	addr, ok := strings.CutPrefix(body, `{"brokerDatas":[{"brokerAddrs":{0:"`)
	addr, rest, _ := strings.Cut(addr, `"`)
	if !ok || addr == "127.0.0.1:1" || rest != `},"brokerName":"b 127.0.0.1:1"}]}` {
		t.Fatalf("route answer %s, want it with the proxy's address and nothing else changed", body)
	}
	isRefused(t, addr) // the proxy is there, its broker is not
}

// The broker asks questions too, and numbers them on its own.
func TestQuestionsOfTheBrokerPass(t *testing.T) {
	p, client, server := conversation(t)
	rule := &faults.FrameRule{Codes: []int{40, faults.SendMessage}, Skip: 1, Do: faults.DropAnswer}
	p.Add(rule)

	client.send(header{Code: faults.SendMessage, Opaque: 7}, "")
	server.next()
	server.send(header{Code: 40, Opaque: 7}, "who is there?")
	if h, body := client.next(); h.Code != 40 || body != "who is there?" {
		t.Errorf("the broker's question came as %+v %q", h, body)
	}
	client.send(header{Opaque: 7, Flag: flagAnswer}, "me")
	if h, body := server.next(); h.Flag != flagAnswer || body != "me" {
		t.Errorf("the answer to the broker came as %+v %q", h, body)
	}
	server.send(header{Opaque: 7, Flag: flagAnswer}, "stored")
	if _, body := client.next(); body != "stored" || rule.Fired() != 0 {
		t.Errorf("the answer to the client came as %q, the rule fired %d times", body, rule.Fired())
	}
}

func TestARemovedRuleDoesNotActOnWhatIsUnderWay(t *testing.T) {
	p, client, server := conversation(t)
	rule := &faults.FrameRule{
		Codes: []int{faults.PullMessage}, Do: faults.DropAnswer,
		Then: func() { t.Error("Then was called after Clear") },
	}
	p.Add(rule)
	client.send(header{Code: faults.PullMessage, Opaque: 1}, "")
	server.next()
	p.Clear()
	server.send(header{Opaque: 1, Flag: flagAnswer}, "messages")
	if _, body := client.next(); body != "messages" || rule.Fired() != 0 {
		t.Errorf("answer %q, fired %d times; want it to pass", body, rule.Fired())
	}
}

func TestOneWayRequests(t *testing.T) {
	p, client, server := conversation(t)
	dropped := &faults.FrameRule{Codes: []int{faults.CommitOffset}, Group: "lost", Do: faults.DropRequest}
	answers := &faults.FrameRule{Codes: []int{faults.CommitOffset}, Do: faults.DropAnswer}
	p.Add(dropped)
	p.Add(answers)

	for i, group := range []string{"kept", "lost", "kept"} {
		client.send(header{
			faults.CommitOffset, int32(i), flagOneWay, map[string]string{"consumerGroup": group},
		}, group)
	}

	for range 2 {
		if _, body := server.next(); body != "kept" {
			t.Errorf("the server got the offset of group %s", body)
		}
	}
	if dropped.Fired() != 1 || answers.Fired() != 0 {
		t.Errorf("fired %d and %d times; want 1, and 0 because there is no answer",
			dropped.Fired(), answers.Fired())
	}
}

func TestNothingFiresBehindACut(t *testing.T) {
	p, client, _ := conversation(t)
	cut := &faults.FrameRule{Codes: []int{faults.SendMessage}, Limit: 1, Do: faults.CutRequest}
	behind := &faults.FrameRule{Codes: []int{faults.SendMessage}}
	p.Add(cut)
	p.Add(behind)

	one := frame(t, header{Code: faults.SendMessage, Opaque: 1}, "")
	if _, err := client.Write(append(one,
		frame(t, header{Code: faults.SendMessage, Opaque: 2}, "")...)); err != nil {
		t.Fatal(err)
	}
	isReset(t, client)
	if cut.Fired() != 1 || behind.Fired() != 0 {
		t.Errorf("fired %d and %d times, want 1 and 0: the second frame went nowhere",
			cut.Fired(), behind.Fired())
	}
}

func TestTopicsAndGroups(t *testing.T) {
	v2 := map[string]string{"a": "g", "b": "t", "e": "0"}
	plain := map[string]string{"topic": "t", "consumerGroup": "g"}
	const locks = `{"consumerGroup":"g","clientId":"c","mqSet":[{"topic":"x","queueId":0},{"topic":"t","queueId":1}]}`

	for _, tc := range []struct {
		code   int
		fields map[string]string
		body   string
		topic  string
	}{
		{faults.SendMessageV2, v2, "", "t"},
		{faults.SendBatch, v2, "", "t"},
		{faults.SendMessage, map[string]string{"topic": "t", "producerGroup": "g"}, "", "t"},
		{faults.PullMessage, plain, "", "t"},
		{faults.CommitOffset, plain, "", "t"},
		{faults.LockQueues, nil, locks, "t"},
		{faults.UnlockQueues, nil, locks, "t"},
		{
			faults.Heartbeat, nil, `{"clientID":"c","consumerDataSet":[{"groupName":"f"},{"groupName":"g"}]}`,
			"",
		},
	} {
		p, client, server := conversation(t)
		codes := []int{tc.code}
		right := &faults.FrameRule{Codes: codes, Topic: tc.topic, Group: "g"}
		for _, wrong := range []*faults.FrameRule{
			{Codes: codes, Topic: "other", Do: faults.DropRequest},
			{Codes: codes, Group: "other", Do: faults.DropRequest},
			{Codes: []int{0}, Do: faults.DropRequest},
			right,
		} {
			p.Add(wrong)
		}

		client.send(header{tc.code, 1, 0, tc.fields}, tc.body)
		if h, body := server.next(); h.Code != tc.code || body != tc.body || right.Fired() != 1 {
			t.Errorf("code %d: the server got %+v, the rule for topic t and group g fired %d times",
				tc.code, h, right.Fired())
		}
	}
}

func TestFetchedCountsWhatClientsWereGiven(t *testing.T) {
	p, client, server := conversation(t)
	p.Add(&faults.FrameRule{Codes: []int{faults.PullMessage}, Group: "lossy", Do: faults.DropAnswer})

	var messages []byte
	for offset := range uint64(3) {
		m := make([]byte, 100+offset)
		binary.BigEndian.PutUint32(m, uint32(len(m))) //nolint:gosec // about 100
		binary.BigEndian.PutUint64(m[20:], offset)
		messages = append(messages, m...)
	}

	pull := func(group string) {
		client.send(header{faults.PullMessage, 1, 0, map[string]string{"consumerGroup": group, "topic": "t"}},
			"")
		server.next()
		server.send(header{Opaque: 1, Flag: flagAnswer}, string(messages))
		// Once the answer to this later request is here, the pull's answer has been dealt with.
		client.send(header{Code: faults.GetRoute, Opaque: 2}, "")
		server.next()
		server.send(header{Opaque: 2, Flag: flagAnswer}, "")
		for h, _ := client.next(); h.Opaque != 2; h, _ = client.next() {
		}
	}

	for _, step := range []struct {
		group string
		want  faults.Fetched
	}{
		{"one", faults.Fetched{Messages: 3}},
		{"two", faults.Fetched{Messages: 3}},
		{"one", faults.Fetched{Messages: 6, Again: 3}},
		{"lossy", faults.Fetched{}},
	} {
		if pull(step.group); p.Fetched()[step.group] != step.want {
			t.Errorf("after a pull by group %s: %+v, want %+v", step.group,
				p.Fetched()[step.group], step.want)
		}
	}
}

// Each instance of a group has its own pair of proxies. A message that one instance was given is a
// repeat when it comes to the other.
func TestFetchedKnowsWhatAnotherInstanceWasGiven(t *testing.T) {
	message := make([]byte, 100)
	binary.BigEndian.PutUint32(message, 100)
	var pairs []*faults.RocketMQ
	for i := range 2 {
		p, client, server := conversation(t)
		if pairs = append(pairs, p); i > 0 {
			p.CountWith(pairs[0])
		}
		client.send(header{faults.PullMessage, 1, 0, map[string]string{"consumerGroup": "g", "topic": "t"}},
			"")
		server.next()
		server.send(header{Opaque: 1, Flag: flagAnswer}, string(message))
		client.next()
		if got, want := p.Fetched()["g"], (faults.Fetched{Messages: 1, Again: int64(i)}); got != want {
			t.Errorf("instance %d was given %+v, want %+v", i, got, want)
		}
	}
}

func TestARuleForFullAnswersLetsEmptyOnesPass(t *testing.T) {
	p, client, server := conversation(t)
	rule := &faults.FrameRule{Codes: []int{faults.PullMessage}, Full: true, Do: faults.PassAnswer}
	p.Add(rule)

	const nothingFound = 19
	for i, answer := range []struct {
		code int
		body string
		want int64
	}{{nothingFound, "", 0}, {0, "messages", 1}, {nothingFound, "why", 1}} {
		client.send(header{Code: faults.PullMessage, Opaque: int32(i)}, "")
		server.next()
		server.send(header{Code: answer.code, Opaque: int32(i), Flag: flagAnswer}, answer.body)
		client.next()
		if rule.Fired() != answer.want {
			t.Errorf("after answer %+v: fired %d times, want %d", answer, rule.Fired(), answer.want)
		}
	}
}
