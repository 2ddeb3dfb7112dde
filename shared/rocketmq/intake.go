package rocketmq

import (
	"bufio"
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

// The library inflates compressed bodies as soon as it has them, without a limit (1 MB that was stored became 4 GB), and
// has no hook before that. So it does not read from the brokers itself: it dials an intake, on loopback and in this
// process, which dials them and looks at each message on its way. A body that would inflate to more than inflateMax is cut
// before the library sees it, and marked (see Delivery.TooLarge). Everything else passes unchanged, both ways.
//
// The library finds the brokers through the route that a name server gives it, so name servers are dialled through the
// intake too, and the addresses in their answers are those of the intake. It is not for a client with TLS.

const (
	// inflateMax is what one body may inflate to: a pull brings 32 of them for each queue.
	inflateMax = 1 << 20
	// intakeFrameMax bounds one answer of a broker, which gives 256 KiB of messages, or one message.
	intakeFrameMax = 64 << 20
	// dialTimeout bounds the connection to a server, or to one of the name servers: the library gives those 6 s to answer.
	dialTimeout = 3 * time.Second
	// responseSystemError is what the library takes for "try again later".
	responseSystemError = 1
	// requestReply brings an answer to a request over messages, inflated without a limit: nobody here makes such requests.
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
	doors map[string]net.Listener // by the address of the server behind it
}

func newIntake(inflateMax int, logger *slog.Logger) *intake {
	done, cancel := context.WithCancel(context.Background())
	return &intake{inflateMax: inflateMax, logger: logger, done: done, close: cancel, doors: map[string]net.Listener{}}
}

// shutdown closes every connection and waits for what they do.
func (in *intake) shutdown() {
	in.close()
	in.mu.Lock()
	for _, door := range in.doors {
		_ = door.Close()
	}
	in.mu.Unlock()
	in.running.Wait()
}

// namesrvs are addresses of doors to name servers. Behind each are all of them, first its own: the library goes to the
// next door when one is silent, and not when it says that its server cannot be reached.
func (in *intake) namesrvs(addrs []string) (doors []string, err error) {
	for i := range addrs {
		door, err := in.door(slices.Concat(addrs[i:], addrs[:i]), in.passRoutes)
		if err != nil {
			return nil, err
		}
		doors = append(doors, door)
	}
	return doors, nil
}

// pass is what an intake does with a frame from a server, before the library gets it. drop: the library does not get it.
type pass func(f rawFrame) (out rawFrame, drop bool)

// door is the address that the library dials for the first of these servers; the others stand in while that one cannot
// be reached. Each server has one, as long as the intake lives.
func (in *intake) door(servers []string, p pass) (string, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if door := in.doors[servers[0]]; door != nil {
		return door.Addr().String(), nil
	}
	if in.done.Err() != nil {
		return "", errClosed
	}
	var listen net.ListenConfig
	door, err := listen.Listen(in.done, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("intake for %s: %w", servers[0], err)
	}
	in.doors[servers[0]] = door
	in.running.Go(func() {
		for {
			conn, err := door.Accept()
			if err != nil {
				return
			}
			in.running.Go(func() { in.serve(conn, servers, p) })
		}
	})
	return door.Addr().String(), nil
}

// serve connects a connection of the library with one of its servers, and ends when either does.
func (in *intake) serve(client net.Conn, servers []string, p pass) {
	defer func() { _ = client.Close() }()
	defer context.AfterFunc(in.done, func() { _ = client.Close() })()
	requests := bufio.NewReader(client)
	conn, first, err := in.dial(client, requests, servers)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(in.done, func() { _ = conn.Close() })()

	in.running.Go(func() {
		defer func() { _ = conn.Close() }()
		if _, err := first.writeTo(conn); err == nil {
			_, _ = io.Copy(conn, requests)
		}
	})
	answers := bufio.NewReaderSize(conn, 64<<10)
	for {
		f, err := readRaw(answers)
		if err != nil {
			return
		}
		out, drop := p(f)
		if drop {
			continue
		}
		if _, err := out.writeTo(client); err != nil {
			return
		}
	}
}

// dial connects to one of the servers, and gives the request that is to be sent there first. While it cannot, it says so to each
// request: the library would wait for the answer of a connection that was made, up to 30 s, and tries again at once when
// none was made.
func (in *intake) dial(client net.Conn, requests *bufio.Reader, servers []string) (net.Conn, rawFrame, error) {
	for {
		f, err := readRaw(requests)
		if err != nil {
			return nil, f, err
		}
		conn, err := in.connect(servers)
		if err == nil {
			return conn, f, nil
		}

		var request command
		if json.Unmarshal(f.header, &request) != nil || request.Flag&flagOneWay != 0 {
			continue
		}
		refusal, err := encodeFrame(command{
			Code: responseSystemError, Language: "GO", Version: clientVersion, Opaque: request.Opaque, Flag: flagResponse,
			Remark: fmt.Sprintf("cannot be reached: %v", err),
		})
		if err != nil {
			return nil, f, err
		}
		if _, err := client.Write(refusal); err != nil {
			return nil, f, err
		}
	}
}

// connect dials servers in turn until one takes the connection. Each has its share of the time that is left.
func (in *intake) connect(servers []string) (net.Conn, error) {
	deadline := time.Now().Add(dialTimeout)
	var failures []error
	for i, server := range servers {
		dialer := net.Dialer{Timeout: time.Until(deadline) / time.Duration(len(servers)-i)}
		conn, err := dialer.DialContext(in.done, "tcp", server)
		if err == nil {
			return conn, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
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
		for _, addr := range broker.BrokerAddrs {
			door, err := in.door([]string{addr}, in.passMessages)
			if err != nil {
				return f, true
			}
			f.body = bytes.ReplaceAll(f.body, fmt.Appendf(nil, "%q", addr), fmt.Appendf(nil, "%q", door))
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

// rawFrame is a frame whose header was not looked at; see frame.go for its form.
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
