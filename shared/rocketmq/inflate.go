package rocketmq

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"

	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// A message as a broker sends it, all big-endian. It begins with its size and a magic number that
// stands for its version. Behind the system flags come the time and the host of its birth, the time
// and the host of its storing, two more fields, and the length of its body. Source: RocketMQ 5.4.0,
// MessageDecoder.java.
const (
	recordMagic    = 0xDAA320A7
	recordMagicV2  = 0xDAA320AB // differs behind the body
	recordMagicAt  = 4
	recordFlagsAt  = 36
	recordBodyAt   = 88 // with addresses of IPv4
	recordHostV6   = 12 // bytes by which an address of IPv6 is longer
	bodyLengthSize = 4
	// flagTooLarge is a system flag of our own that marks a body that was cut. A message that
	// arrives with it set loses it.
	flagTooLarge = 1 << 30
	// shownMax is how many bytes of a cut body are kept, so that an operator can find out whose
	// message it is.
	shownMax = 1 << 10
)

// cutBodies goes through consecutive messages and cuts each compressed body that inflates to more
// than limit bytes. Bytes that are no message are returned as they are. A body is inflated no
// further than to the limit.
func cutBodies(records []byte, limit int) []byte {
	var out []byte // nil: nothing was changed so far
	done := 0
	for at := 0; at < len(records); {
		size, ok := recordSize(records[at:])
		if !ok {
			break
		}
		record := records[at : at+size]
		at += size

		flags := binary.BigEndian.Uint32(record[recordFlagsAt:])
		if flags&flagTooLarge != 0 {
			flags &^= flagTooLarge
			binary.BigEndian.PutUint32(record[recordFlagsAt:], flags)
		}

		if flags&primitive.FlagCompressed == 0 {
			continue
		}
		if short, isCut := cutBody(record, flags, limit); isCut {
			out = append(append(out, records[done:at-size]...), short...)
			done = at
		}
	}

	if done == 0 {
		return records
	}
	return append(out, records[done:]...)
}

// recordSize returns the length of the first message in records, and whether records begin with a
// whole message.
func recordSize(records []byte) (int, bool) {
	if len(records) < recordBodyAt {
		return 0, false
	}
	if magic := binary.BigEndian.Uint32(records[recordMagicAt:]); magic != recordMagic &&
		magic != recordMagicV2 {
		return 0, false
	}
	size := int64(binary.BigEndian.Uint32(records))
	return int(size), size >= recordBodyAt && size <= int64(len(records))
}

// cutBody returns the message with only the beginning of its body, if the body is too large.
func cutBody(record []byte, flags uint32, limit int) (short []byte, isCut bool) {
	at := recordBodyAt - bodyLengthSize
	for _, v6 := range []uint32{primitive.FlagBornHostV6, primitive.FlagStoreHostV6} {
		if flags&v6 != 0 {
			at += recordHostV6
		}
	}
	if at+bodyLengthSize > len(record) {
		return nil, false
	}

	length := int64(binary.BigEndian.Uint32(record[at:]))
	body := record[at+bodyLengthSize:]
	if length > int64(len(body)) {
		return nil, false
	}

	rest := body[length:]
	shown, tooLarge := inflatesBeyond(body[:length], limit)
	if !tooLarge {
		return nil, false
	}

	short = append(short, record[:at]...)
	short = binary.BigEndian.AppendUint32(short, uint32(len(shown))) //nolint:gosec // at most shownMax
	short = append(append(short, shown...), rest...)
	binary.BigEndian.PutUint32(short, uint32(len(short))) //nolint:gosec // the record was longer, or by shownMax shorter
	binary.BigEndian.PutUint32(short[recordFlagsAt:], flags&^uint32(primitive.FlagCompressed)|flagTooLarge)
	return short, true
}

// inflatesBeyond inflates a body as the library does, up to the limit, and returns its beginning. A
// body that cannot be inflated is not beyond the limit: the library hands it over as it came.
func inflatesBeyond(body []byte, limit int) (shown []byte, beyond bool) {
	r, err := zlib.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, false
	}
	defer func() { _ = r.Close() }()

	shown, err = io.ReadAll(io.LimitReader(r, shownMax))
	if err != nil {
		return nil, false
	}
	more, _ := io.Copy(io.Discard, io.LimitReader(r, int64(limit)+1-int64(len(shown))))
	return shown, int64(len(shown))+more > int64(limit)
}
