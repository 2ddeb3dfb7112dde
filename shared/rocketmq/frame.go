package rocketmq

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A frame is 4 bytes length of what follows, 1 byte serializer, 3 bytes header length, the header
// as JSON, and the body, all big-endian.
const (
	frameMaxBytes  = 16 << 20
	headerMaxBytes = 1<<24 - 1 // the most that 3 bytes can hold
	serializerJSON = 0
	flagResponse   = 1
	// clientVersion is what rocketmq-client-go sends; the broker chooses its dialect by it.
	clientVersion = 317
)

var errFrame = errors.New("not a RocketMQ remoting frame")

// command is a request or an answer.
type command struct {
	Code      int               `json:"code"`
	Language  string            `json:"language"`
	Version   int               `json:"version"`
	Opaque    int32             `json:"opaque"` // an answer carries that of its request
	Flag      int               `json:"flag"`
	Remark    string            `json:"remark,omitempty"`
	ExtFields map[string]string `json:"extFields,omitempty"`
	Body      []byte            `json:"-"`
}

func (c command) isResponse() bool { return c.Flag&flagResponse != 0 }

func encodeFrame(c command) ([]byte, error) {
	header, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode header of request %d: %w", c.Code, err)
	}

	length := 4 + len(header) + len(c.Body)
	if len(header) > headerMaxBytes || length > frameMaxBytes {
		return nil, fmt.Errorf("request %d: header of %d bytes and body of %d bytes exceed the frame limit of %d bytes",
			c.Code, len(header), len(c.Body), frameMaxBytes)
	}

	frame := make([]byte, 0, 4+length)
	frame = binary.BigEndian.AppendUint32(frame, uint32(length))
	frame = binary.BigEndian.AppendUint32(frame, serializerJSON<<24|uint32(len(header))) //nolint:gosec // at most headerMaxBytes
	frame = append(frame, header...)
	return append(frame, c.Body...), nil
}

// readFrame reads one frame. After an error r is in the middle of a frame, and its connection
// cannot be used again.
func readFrame(r io.Reader) (command, error) {
	var prefix [8]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return command{}, fmt.Errorf("read frame: %w", err)
	}

	length := binary.BigEndian.Uint32(prefix[:4])
	// The length is checked before anything is allocated: the beginning of an HTTP server's answer,
	// read as a length, asks for a gigabyte.
	if length < 4 || length > frameMaxBytes {
		return command{}, fmt.Errorf("%w: length of %d bytes, must be 4 to %d",
			errFrame, length, frameMaxBytes)
	}

	word := binary.BigEndian.Uint32(prefix[4:])
	if serializer := word >> 24; serializer != serializerJSON {
		return command{}, fmt.Errorf("%w: serializer %d, only JSON (0) is understood", errFrame, serializer)
	}
	headerLength := word & 0xFFFFFF
	if headerLength > length-4 {
		return command{}, fmt.Errorf("%w: header of %d bytes in a frame of %d",
			errFrame, headerLength, length)
	}

	rest := make([]byte, length-4)
	if _, err := io.ReadFull(r, rest); err != nil {
		return command{}, fmt.Errorf("read frame of %d bytes: %w", length, err)
	}

	var c command
	if err := json.Unmarshal(rest[:headerLength], &c); err != nil {
		return command{}, fmt.Errorf("%w: header: %w", errFrame, err)
	}
	c.Body = rest[headerLength:]
	return c, nil
}
