package traffic

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/google/uuid"

	"settlement/shared/rocketmq"
)

// Message is one stored message of a topic.
type Message struct {
	Topic                 string
	Queue                 int
	Offset                int64  // position in the queue, from 0
	ID                    string // the broker's id of this stored copy
	Key, ShardingKey, Tag string
	Body                  []byte
	StoredAt              time.Time // by the broker's clock, in milliseconds
	Repeat                bool      // published by a Repeater
}

// Limits of reading a topic.
const (
	pullBatch    = 32 // messages; the most that a broker gives at once by default
	pullTimeout  = 5 * time.Second
	pullFrameMax = 16 << 20 // bytes
	// clientVersion is the version of the protocol that the services' client sends.
	clientVersion = 317
)

// Codes of the remoting protocol, for a pull and its answers. The flag pullSubscribed says that the
// request brings its subscription with it: the broker need not know the group.
const (
	pullRequest    = 11
	pullSubscribed = 4
	pullFound      = 0
	pullNone       = 19 // nothing at that offset
	pullNoMatch    = 20 // nothing of the subscription up to the next offset
	pullMoved      = 21 // the offset is outside of the queue
)

// Messages reads all that a topic holds now, by queue and offset. It asks the brokers that
// the name server names and leaves nothing behind there: no offset, no member of a group.
func Messages(ctx context.Context, namesrv, topic string) ([]Message, error) {
	admin, err := rocketmq.NewAdmin(namesrv)
	if err != nil {
		return nil, err
	}
	defer func() { _ = admin.Close() }()
	route, err := admin.Route(ctx, topic)
	if err != nil {
		return nil, err
	}

	var messages []Message
	for _, q := range route.Readable {
		found, err := readQueue(ctx, admin, q)
		if err != nil {
			return nil, fmt.Errorf("messages of topic %s queue %d: %w", topic, q.ID, err)
		}
		messages = append(messages, found...)
	}
	return messages, nil
}

func readQueue(ctx context.Context, admin *rocketmq.Admin, q rocketmq.Queue) ([]Message, error) {
	offset, err := admin.MinOffset(ctx, q)
	if err != nil {
		return nil, err
	}
	end, err := admin.MaxOffset(ctx, q)
	if err != nil {
		return nil, err
	}
	if offset == end {
		return nil, nil
	}

	p, err := openPuller(ctx, q)
	if err != nil {
		return nil, err
	}
	defer p.conn.Close()

	var messages []Message
	for offset < end {
		found, next, err := p.pull(ctx, offset)
		if err != nil {
			return nil, err
		}
		if next <= offset {
			return nil, fmt.Errorf("broker %s gives nothing at offset %d of %d: is it still recovering?",
				q.Addr, offset, end)
		}
		messages, offset = append(messages, found...), next
	}
	return messages, nil
}

// puller reads one queue over a connection of its own.
type puller struct {
	queue  rocketmq.Queue
	group  string
	conn   net.Conn
	reader *bufio.Reader
}

func openPuller(ctx context.Context, q rocketmq.Queue) (*puller, error) {
	dialer := net.Dialer{Timeout: pullTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", q.Addr)
	if err != nil {
		return nil, err
	}
	return &puller{queue: q, group: "reader-" + uuid.NewString(), conn: conn, reader: bufio.NewReader(conn)},
		nil
}

// pull returns what the broker has at offset, and the offset to go on with.
func (p *puller) pull(ctx context.Context, offset int64) (found []Message, next int64, err error) {
	stop := context.AfterFunc(ctx, func() { _ = p.conn.Close() })
	defer stop()

	if err := p.conn.SetDeadline(time.Now().Add(pullTimeout)); err != nil {
		return nil, 0, err
	}
	if err := p.ask(offset); err != nil {
		return nil, 0, err
	}
	answer, body, err := readAnswer(p.reader)
	if err != nil {
		return nil, 0, err
	}

	switch answer.Code {
	case pullFound:
		for _, m := range primitive.DecodeMessage(body) {
			found = append(found, newMessage(m, p.queue.ID))
		}
		if len(found) == 0 {
			return nil, 0, fmt.Errorf("broker %s found messages at offset %d and sent none",
				p.queue.Addr, offset)
		}
	case pullNone, pullNoMatch, pullMoved:
	default:
		return nil, 0, fmt.Errorf("broker %s answered code %d: %s", p.queue.Addr, answer.Code, answer.Remark)
	}

	next, err = strconv.ParseInt(answer.ExtFields["nextBeginOffset"], 10, 64)
	return found, next, err
}

// pullCommand is the header of a pull and of its answer.
type pullCommand struct {
	Code      int               `json:"code"`
	Language  string            `json:"language"`
	Version   int               `json:"version"`
	Opaque    int               `json:"opaque"`
	Flag      int               `json:"flag"`
	Remark    string            `json:"remark,omitempty"`
	ExtFields map[string]string `json:"extFields"`
}

// ask sends a pull that the broker answers at once, also when it has nothing.
func (p *puller) ask(offset int64) error {
	header, err := json.Marshal(pullCommand{
		Code:     pullRequest,
		Language: "GO", Version: clientVersion, ExtFields: map[string]string{
			"consumerGroup": p.group, "topic": p.queue.Topic, "queueId": strconv.Itoa(p.queue.ID),
			"bname":       p.queue.Broker,
			"queueOffset": strconv.FormatInt(offset, 10), "maxMsgNums": strconv.Itoa(pullBatch),
			"sysFlag": strconv.Itoa(pullSubscribed), "subscription": "*", "subVersion": "0",
			"expressionType": "TAG",
			"commitOffset":   "0", "suspendTimeoutMillis": "0",
		},
	})
	if err != nil {
		return err
	}

	frame := binary.BigEndian.AppendUint32(nil, uint32(4+len(header))) //nolint:gosec // G115: a header of some hundred bytes
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(header)))  //nolint:gosec // G115: the same; serializer 0 is JSON
	_, err = p.conn.Write(append(frame, header...))
	return err
}

func readAnswer(r io.Reader) (answer pullCommand, body []byte, err error) {
	var prefix [8]byte // length of what follows it, serializer, header length
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return pullCommand{}, nil, err
	}
	length, headerLength := binary.BigEndian.Uint32(prefix[:4]), binary.BigEndian.Uint32(prefix[4:])&0xFFFFFF
	if length < 4 || length > pullFrameMax || headerLength > length-4 {
		return pullCommand{}, nil, fmt.Errorf("answer of %d bytes with a header of %d is no frame of a broker",
			length, headerLength)
	}

	rest := make([]byte, length-4)
	if _, err := io.ReadFull(r, rest); err != nil {
		return pullCommand{}, nil, err
	}
	if err := json.Unmarshal(rest[:headerLength], &answer); err != nil {
		return pullCommand{}, nil, fmt.Errorf("header of the answer: %w", err)
	}
	return answer, rest[headerLength:], nil
}

func newMessage(m *primitive.MessageExt, queue int) Message {
	return Message{
		Topic: m.Topic, Queue: queue, Offset: m.QueueOffset, ID: m.OffsetMsgId,
		Key: m.GetKeys(), ShardingKey: m.GetShardingKey(), Tag: m.GetTags(),
		Body: m.Body, StoredAt: time.UnixMilli(m.StoreTimestamp), Repeat: m.GetProperty(propertyRepeat) != "",
	}
}
