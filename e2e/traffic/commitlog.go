package traffic

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// A record of the commit log begins with its size (int32) and its kind (int32). Source: RocketMQ
// 5.4.0, CommitLog.java and MessageVersion.java.
const (
	recordHead     = 8
	recordMessage  = 0xDAA320A7
	recordFileEnds = 0xCBD43194 // the next one is in the next file
)

// CommitLog reads the messages of some topics from a broker's files, in the order in which the
// broker stored them. The files are there even when the broker is down and when a topic is gone:
// deleting a topic removes only its queues. Expired messages are not there. While the broker runs,
// call CommitLog only once nobody sends to the topics.
func CommitLog(dir string, topics ...string) (messages []Message, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "[0-9]*"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)

	for _, file := range files {
		log, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("commit log: %w", err)
		}
		found, err := readLog(log)
		if err != nil {
			return nil, fmt.Errorf("commit log %s: %w", file, err)
		}

		for _, m := range found {
			if slices.Contains(topics, m.Topic) {
				messages = append(messages, newMessage(m, m.Queue.QueueId))
			}
		}
	}
	return messages, nil
}

func readLog(log []byte) (messages []*primitive.MessageExt, err error) {
	for at := 0; at+recordHead <= len(log); {
		size, kind := int(binary.BigEndian.Uint32(log[at:])), binary.BigEndian.Uint32(log[at+4:])
		if size == 0 || kind == recordFileEnds {
			break
		}
		if kind != recordMessage || size < recordHead || at+size > len(log) {
			return nil, fmt.Errorf("at byte %d of %d is no message: size %d, kind %#x",
				at, len(log), size, kind)
		}

		// A copy: the library keeps slices of what it is given, here of a whole file.
		messages = append(messages, primitive.DecodeMessage(slices.Clone(log[at:at+size]))...)
		at += size
	}
	return messages, nil
}
