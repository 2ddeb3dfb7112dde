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
// hook before that. So it does not read from the brokers itself. It dials a gateway, on loopback
// and in this process. The gateway dials the broker and looks at each message on its way. A body
// that would inflate to more than inflateMax is cut before the library sees it, and marked (see
// Delivery.TooLarge). Requests and all other messages pass unchanged.
//
// T39: the library dials the addresses in the route that a name server gives it. So name servers
// are dialled through the gateway too, and the addresses in their answers are replaced with those
// of the gateway. A client with TLS cannot use a gateway.

const (
	// inflateMax is the most that one body may inflate to. A pull brings 32 bodies for each queue.
	inflateMax = 1 << 20
	// gatewayFrameMax bounds one answer of a broker. A broker answers with 256 KiB of messages, or
	// with one message.
	gatewayFrameMax = 64 << 20
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

// gateway is between the library's consumer and its servers.
type gateway struct {
	inflateMax int
	logger     *slog.Logger
	done       context.Context
	close      context.CancelFunc
	running    sync.WaitGroup

	mu    sync.Mutex
	doors map[doorKey]*door
}

func newGateway(inflateMax int, logger *slog.Logger) *gateway {
	done, cancel := context.WithCancel(context.Background())
	return &gateway{
		inflateMax: inflateMax, logger: logger, done: done, close: cancel, doors: map[doorKey]*door{},
	}
}

// shutdown closes every connection and waits for the goroutines that serve them.
func (g *gateway) shutdown() {
	g.close()
	g.mu.Lock()
	for _, door := range g.doors {
		door.close()
	}
	g.mu.Unlock()
	g.running.Wait()
}

// namesrvs returns the addresses of the doors to the name servers, one for each. T38: behind each
// door are all name servers, its own first. The library goes to the next door when one is silent,
// but not when a door says that its server cannot be reached.
func (g *gateway) namesrvs(addrs []string) (doors []string, err error) {
	for i := range addrs {
		door, err := g.door(doorKey{server: addrs[i]}, slices.Concat(addrs[i:], addrs[:i]), g.passRoutes)
		if err != nil {
			return nil, err
		}
		doors = append(doors, door.addr())
	}
	return doors, nil
}

// pass is what a gateway does with a frame from a server before the library gets it. When drop is
// true, the library does not get the frame.
type pass func(f rawFrame) (out rawFrame, drop bool)

// doorKey says what is behind a door. server is the address of a name server, or the name of a
// broker. id distinguishes a broker's master and slaves.
type doorKey struct{ server, id string }

// door returns the door of a key. It opens the door the first time; the door lives as long as the
// gateway.
func (g *gateway) door(key doorKey, servers []string, p pass) (*door, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.doors[key] == nil {
		if g.done.Err() != nil {
			return nil, errClosed
		}
		d, err := openDoor(g, servers, p)
		if err != nil {
			return nil, err
		}
		g.doors[key] = d
	}

	g.lead(key, servers)
	return g.doors[key], nil
}

// lead has a door lead to other servers. A slave that has become the master is behind one door
// only. Behind two it would count us as two consumers with one id, and give half of the queues to
// the second.
func (g *gateway) lead(key doorKey, servers []string) {
	for other, d := range g.doors {
		if other.server == key.server && other != key && d.leadsTo(servers) {
			d.lead(nil)
		}
	}
	g.doors[key].lead(servers)
}

// masters leads the doors of the brokers to their present masters. A broker that the library has
// not heard of has no door yet.
func (g *gateway) masters(queues []Queue) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, q := range queues {
		if key := (doorKey{q.Broker, masterID}); g.doors[key] != nil {
			g.lead(key, []string{q.Addr})
		}
	}
}

// passRoutes puts the gateway's own addresses into a route.
func (g *gateway) passRoutes(f rawFrame) (rawFrame, bool) {
	if !bytes.Contains(f.body, []byte(`"brokerDatas"`)) {
		return f, false
	}

	var data routeData
	if err := json.Unmarshal(quoteKeys(f.body), &data); err != nil {
		g.logger.Warn("a name server's route cannot be read", "error", err)
		return f, true
	}

	for _, broker := range data.BrokerDatas {
		for id, addr := range broker.BrokerAddrs {
			door, err := g.door(doorKey{broker.BrokerName, id}, []string{addr}, g.passMessages)
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
func (g *gateway) passMessages(f rawFrame) (rawFrame, bool) {
	if bytes.Contains(f.header, fmt.Appendf(nil, `"code":%d`, requestReply)) {
		var c command
		if err := json.Unmarshal(f.header, &c); err != nil || !c.isResponse() && c.Code == requestReply {
			return f, true
		}
	}
	f.body = cutBodies(f.body, g.inflateMax)
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
	if length < 4 || length > gatewayFrameMax || headerLength > length-4 {
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
	binary.BigEndian.PutUint32(prefix[:4], uint32(4+len(f.header)+len(f.body))) //nolint:gosec // at most gatewayFrameMax and a mark
	binary.BigEndian.PutUint32(prefix[4:], f.word)
	buffers := net.Buffers{prefix[:], f.header, f.body}
	return buffers.WriteTo(w)
}
