package faults

import (
	"encoding/binary"
	"io"
	"strings"
)

// What a packet of a MySQL connection says. Source: MySQL client/server protocol.
const (
	packetHeader = 4 // three bytes length, little endian, and a sequence number
	packetMost   = 1<<24 - 1
	comQuery     = 0x03
	comPrepare   = 0x16
	markError    = 0xFF // the first byte of an error packet; its number follows, little endian
)

// readPacket reads the bytes of one packet.
func readPacket(r io.Reader) ([]byte, error) {
	head := make([]byte, packetHeader)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	return readSized(r, head, int(binary.LittleEndian.Uint32([]byte{head[0], head[1], head[2], 0})))
}

// statement returns the text of a query, empty when the packet holds none. A command has sequence
// number 0. A packet with another number goes on with a long command or with the login, and may
// begin with any byte.
func statement(packet []byte) string {
	if len(packet) <= packetHeader || packet[packetHeader-1] != 0 {
		return ""
	}
	if command := packet[packetHeader]; command != comQuery && command != comPrepare {
		return ""
	}
	return string(packet[packetHeader+1:])
}

// errorNumber returns the number of an error packet, 0 for any other. A row of a result cannot be
// taken for one: a value whose length takes 8 bytes begins with 0xFE. The rest of a long row can:
// callers must not ask about it.
func errorNumber(packet []byte) uint16 {
	if len(packet) < packetHeader+3 || packet[packetHeader] != markError {
		return 0
	}
	return binary.LittleEndian.Uint16(packet[packetHeader+1:])
}

// errorPacket is the answer to a command.
func errorPacket(a SQLAnswer) []byte {
	body := binary.LittleEndian.AppendUint16([]byte{markError}, a.Number)
	body = append(body, "#"+a.State+a.Text...)
	packet := binary.LittleEndian.AppendUint32(nil, uint32(len(body))) //nolint:gosec // as long as the text of a rule
	packet[packetHeader-1] = 1                                         // it follows the command, which is 0
	return append(packet, body...)
}

func begins(statement, word string) bool {
	statement = strings.TrimSpace(statement)
	return len(statement) >= len(word) && strings.EqualFold(statement[:len(word)], word)
}
