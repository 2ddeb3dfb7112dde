package rocketmq

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"
)

// T34: the library inflates compressed bodies as soon as it has them, without a limit, and has no
// hook before that. So it does not read from the brokers itself. It dials an intake, on loopback
// and in this process. The intake dials the broker and looks at each message on its way. A body
// that would inflate to more than inflateMax is cut before the library sees it, and marked (see
// Delivery.TooLarge). Requests and all other messages pass unchanged.
//
// T39: the library dials the addresses in the route that a name server gives it. So name servers
// are dialled through the intake too, and the addresses in their answers are replaced with those of
// the intake. A client with TLS cannot use an intake.

const (
	// inflateMax is the most that one body may inflate to. A pull brings 32 bodies for each queue.
	inflateMax = 1 << 20
	// intakeFrameMax bounds one answer of a broker. A broker answers with 256 KiB of messages, or
	// with one message.
	intakeFrameMax = 64 << 20
	// dialTimeout bounds the dialling of all servers behind a door together. The library gives a
	// name server 6 s to answer.
	dialTimeout = 3 * time.Second
	// responseSystemError is what the library takes for "try again later".
	responseSystemError = 1
	// requestReply brings the reply to a request that was sent as a message, and the library
	// inflates it without a limit. Nothing here sends such requests.
	requestReply = 326
	flagOneWay   = 2
)

// intake is between the library's consumer and its servers.
type intake struct {
	inflateMax int
	logger     *slog.Logger
	done       context.Context
	close      context.CancelFunc
	running    sync.WaitGroup

	mu    sync.Mutex
	doors map[doorKey]*door
}

func newIntake(inflateMax int, logger *slog.Logger) *intake {
	done, cancel := context.WithCancel(context.Background())
	return &intake{
		inflateMax: inflateMax, logger: logger, done: done, close: cancel, doors: map[doorKey]*door{},
	}
}

// shutdown closes every connection and waits for the goroutines that serve them.
func (in *intake) shutdown() {
	in.close()
	in.mu.Lock()
	for _, door := range in.doors {
		door.close()
	}
	in.mu.Unlock()
	in.running.Wait()
}

// namesrvs returns the addresses of the doors to the name servers, one for each. T38: behind each
// door are all name servers, its own first. The library goes to the next door when one is silent,
// but not when a door says that its server cannot be reached.
func (in *intake) namesrvs(addrs []string) (doors []string, err error) {
	for i := range addrs {
		door, err := in.door(doorKey{server: addrs[i]}, slices.Concat(addrs[i:], addrs[:i]), in.passRoutes)
		if err != nil {
			return nil, err
		}
		doors = append(doors, door.addr())
	}
	return doors, nil
}

// pass is what an intake does with a frame from a server before the library gets it. When drop is
// true, the library does not get the frame.
type pass func(f rawFrame) (out rawFrame, drop bool)

// doorKey says what is behind a door. server is the address of a name server, or the name of a
// broker. id distinguishes a broker's master and slaves.
type doorKey struct{ server, id string }

// door returns the door of a key. It opens the door the first time; the door lives as long as the
// intake.
func (in *intake) door(key doorKey, servers []string, p pass) (*door, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.doors[key] == nil {
		if in.done.Err() != nil {
			return nil, errClosed
		}
		d, err := openDoor(in, servers, p)
		if err != nil {
			return nil, err
		}
		in.doors[key] = d
	}

	in.lead(key, servers)
	return in.doors[key], nil
}

// lead has a door lead to other servers. A slave that has become the master is behind one door
// only. Behind two it would count us as two consumers with one id, and give half of the queues to
// the second.
func (in *intake) lead(key doorKey, servers []string) {
	for other, d := range in.doors {
		if other.server == key.server && other != key && d.leadsTo(servers) {
			d.lead(nil)
		}
	}
	in.doors[key].lead(servers)
}

// masters leads the doors of the brokers to their present masters. A broker that the library has
// not heard of has no door yet.
func (in *intake) masters(queues []Queue) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, q := range queues {
		if key := (doorKey{q.Broker, masterID}); in.doors[key] != nil {
			in.lead(key, []string{q.Addr})
		}
	}
}

// passRoutes puts the intake's own addresses into a route.
func (in *intake) passRoutes(f rawFrame) (rawFrame, bool) {
	if !bytes.Contains(f.body, []byte(`"brokerDatas"`)) {
		return f, false
	}

	var data routeData
	if err := json.Unmarshal(quoteKeys(f.body), &data); err != nil {
		in.logger.Warn("a name server's route cannot be read", "error", err)
		return f, true
	}

	for _, broker := range data.BrokerDatas {
		for id, addr := range broker.BrokerAddrs {
			door, err := in.door(doorKey{broker.BrokerName, id}, []string{addr}, in.passMessages)
			if err != nil {
				return f, true
			}
			f.body = bytes.ReplaceAll(f.body, fmt.Appendf(nil, "%q", addr),
				fmt.Appendf(nil, "%q", door.addr()))
		}
	}
	return f, false
}

// passMessages cuts bodies that would inflate too far.
func (in *intake) passMessages(f rawFrame) (rawFrame, bool) {
	if bytes.Contains(f.header, fmt.Appendf(nil, `"code":%d`, requestReply)) {
		var c command
		if err := json.Unmarshal(f.header, &c); err != nil || !c.isResponse() && c.Code == requestReply {
			return f, true
		}
	}
	f.body = cutBodies(f.body, in.inflateMax)
	return f, false
}

// rawFrame is a frame whose header is not parsed; see frame.go for its format.
type rawFrame struct {
	word   uint32 // serializer and header length
	header []byte
	body   []byte
}

var errFrameTooLong = errors.New("frame is too long")

func readRaw(r io.Reader) (f rawFrame, err error) {
	var prefix [8]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return f, err
	}

	length := binary.BigEndian.Uint32(prefix[:4])
	f.word = binary.BigEndian.Uint32(prefix[4:])
	headerLength := f.word & headerMaxBytes
	if length < 4 || length > intakeFrameMax || headerLength > length-4 {
		return f, fmt.Errorf("%w: %d bytes, header of %d", errFrameTooLong, length, headerLength)
	}

	rest := make([]byte, length-4)
	if _, err := io.ReadFull(r, rest); err != nil {
		return f, err
	}
	f.header, f.body = rest[:headerLength:headerLength], rest[headerLength:]
	return f, nil
}

func (f rawFrame) writeTo(w io.Writer) (int64, error) {
	var prefix [8]byte
	binary.BigEndian.PutUint32(prefix[:4], uint32(4+len(f.header)+len(f.body))) //nolint:gosec // at most intakeFrameMax and a mark
	binary.BigEndian.PutUint32(prefix[4:], f.word)
	buffers := net.Buffers{prefix[:], f.header, f.body}
	return buffers.WriteTo(w)
}
