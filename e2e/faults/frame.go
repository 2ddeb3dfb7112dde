package faults

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// frameMax is the most bytes that RocketMQ takes for one frame.
const frameMax = 16 << 20

var errFrame = errors.New("not a RocketMQ remoting frame")

// Bits of a header's flag.
const (
	flagAnswer = 1 << 0
	flagOneWay = 1 << 1
)

// header is what a rule looks at.
type header struct {
	Code      int               `json:"code"`
	Opaque    int32             `json:"opaque"` // an answer carries its request's
	Flag      int               `json:"flag"`
	ExtFields map[string]string `json:"extFields"`
}

// frame is 4 bytes length of what follows, 1 byte serializer, 3 bytes header length, the header as
// JSON, the body, all big-endian.
type frame struct {
	header
	raw  []byte // all of it
	body []byte // its end
}

// readFrame reads the bytes of one frame.
func readFrame(r io.Reader) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head)
	if size < 4 || size > frameMax {
		return nil, fmt.Errorf("%w: length %d", errFrame, size)
	}
	return readSized(r, head, int(size))
}

// parseFrame reads the header; false: it is not in JSON, and no rule looks at the frame.
func parseFrame(raw []byte) (frame, bool) {
	const prefix = 8
	if len(raw) < prefix || raw[4] != 0 {
		return frame{}, false
	}
	length := int(binary.BigEndian.Uint32(raw[4:]) & 0xFFFFFF)
	if prefix+length > len(raw) {
		return frame{}, false
	}
	f := frame{raw: raw, body: raw[prefix+length:]}
	err := json.Unmarshal(raw[prefix:prefix+length], &f.header)
	return f, err == nil
}

// withBody returns the frame with another body.
func (f frame) withBody(body []byte) []byte {
	head := f.raw[:len(f.raw)-len(f.body)]
	raw := append(append([]byte{}, head...), body...)
	binary.BigEndian.PutUint32(raw, uint32(len(raw)-4)) //nolint:gosec // a frame is at most frameMax bytes
	return raw
}

// pullCommits is the bit of a pull's sysFlag that says that it commits an offset too. Source:
// RocketMQ 5.4.0, PullSysFlag.java.
const pullCommits = 1

// withoutCommit returns a pull that commits nothing. Header fields that the proxy does not know
// stay.
func (f frame) withoutCommit() []byte {
	flags, err := strconv.Atoi(f.ExtFields["sysFlag"])
	var all map[string]any
	if err != nil || json.Unmarshal(f.raw[8:len(f.raw)-len(f.body)], &all) != nil {
		return f.raw
	}

	f.ExtFields["sysFlag"] = strconv.Itoa(flags &^ pullCommits)
	all["extFields"] = f.ExtFields
	head, err := json.Marshal(all)
	if err != nil {
		return f.raw
	}
	raw := binary.BigEndian.AppendUint32(nil, uint32(4+len(head)+len(f.body))) //nolint:gosec // about as long as a frame that was read
	raw = binary.BigEndian.AppendUint32(raw, uint32(len(head)))                //nolint:gosec // the same
	return append(append(raw, head...), f.body...)
}
