package faults

import (
	"encoding/json"
	"slices"
	"time"
)

// Request codes. Source: RocketMQ 5.4.0, RequestCode.java.
const (
	SendMessage   = 10
	PullMessage   = 11
	QueryOffset   = 14
	CommitOffset  = 15
	Heartbeat     = 34
	LockQueues    = 41
	UnlockQueues  = 42
	GetRoute      = 105
	SendMessageV2 = 310
	SendBatch     = 320
)

// FrameEffect is what a rule does to a request or to its answer.
type FrameEffect int

// The effects.
const (
	Pass        FrameEffect = iota // nothing but Then, before the request goes on
	PassAnswer                     // nothing but Then, before the answer goes on
	DropRequest                    // the server never gets it
	DropAnswer                     // the server does it, the client never hears of it
	Twice                          // the server gets it twice, the client gets one answer
	Delay                          // it goes on after For, and others overtake it
	CutRequest                     // the connection is reset instead of passing it on
	CutAnswer                      // the server does it, the connection is reset before the answer
	StripCommit                    // a pull goes on without the offset that it would commit
)

func (e FrameEffect) atAnswer() bool { return e == PassAnswer || e == DropAnswer || e == CutAnswer }

// FrameRule picks requests by what they say. With an effect on answers, it picks the answers to
// those requests. One rule may fire at a request and another at its answer. A one-way request has
// no answer: a rule for answers does not fire.
type FrameRule struct {
	Codes        []int
	Topic, Group string // empty: any
	// Full, for pulls and effects on answers, picks only answers that bring messages.
	Full bool
	// The first Skip matches pass, then every Every-th (0 and 1: each) fires, at most Limit times
	// (0: no limit).
	Skip, Every, Limit int
	Do                 FrameEffect
	For                time.Duration // of Delay
	// Then is called when the rule fires, while the frame is held: a request before it goes on to
	// the server, an answer (of the effects on answers) before it goes on to the client. nil:
	// nothing.
	Then func()

	firing
}

func (r *FrameRule) matches(q request) bool {
	return slices.Contains(r.Codes, q.code) && (r.Topic == "" || slices.Contains(q.topics, r.Topic)) &&
		(r.Group == "" || slices.Contains(q.groups, r.Group)) && (!r.Full || q.full)
}

// act calls Then and returns what is to be done; r is nil where no rule fires.
func (r *FrameRule) act() FrameEffect {
	if r == nil {
		return Pass
	}
	if r.Then != nil {
		r.Then()
	}
	return r.Do
}

// request is what rules know of a request.
type request struct {
	code   int
	topics []string
	groups []string
	full   bool // its answer has come and brings messages
}

// about reads the topics and groups of a request. Each code keeps them in another place.
func about(f frame) request {
	q := request{code: f.Code}
	add := func(list *[]string, names ...string) {
		for _, name := range names {
			if name != "" {
				*list = append(*list, name)
			}
		}
	}

	switch f.Code {
	case SendMessageV2, SendBatch: // names of one letter, SendMessageRequestHeaderV2.java
		add(&q.topics, f.ExtFields["b"], f.ExtFields["topic"])
		add(&q.groups, f.ExtFields["a"], f.ExtFields["producerGroup"])
	case LockQueues, UnlockQueues:
		var body struct {
			Group  string `json:"consumerGroup"`
			Queues []struct {
				Topic string `json:"topic"`
			} `json:"mqSet"`
		}
		_ = json.Unmarshal(f.body, &body) // what cannot be read matches no topic and no group
		add(&q.groups, body.Group)
		for _, queue := range body.Queues {
			add(&q.topics, queue.Topic)
		}
	case Heartbeat:
		var body struct {
			Consumers []struct {
				Group string `json:"groupName"`
			} `json:"consumerDataSet"`
		}
		_ = json.Unmarshal(f.body, &body)
		for _, consumer := range body.Consumers {
			add(&q.groups, consumer.Group)
		}
	default:
		add(&q.topics, f.ExtFields["topic"])
		add(&q.groups, f.ExtFields["consumerGroup"], f.ExtFields["producerGroup"])
	}

	return q
}
