package rocketmq

import (
	"fmt"
	"math"
	"strings"

	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// Limits of one SendBatch.
const (
	BatchMax = 128 // messages
	// Bodies, keys, tags and properties with their framing; the broker's own limit is 4 MiB.
	BatchMaxBytes = 2 << 20
)

const (
	// propertiesMaxBytes is the greatest length of properties that fits into the broker's 16 bits.
	// T45: a greater length would wrap around, and the broker would read the rest of the batch from
	// the wrong place.
	propertiesMaxBytes = math.MaxInt16
	// batchFrameBytes is what the batch encoding adds to each message.
	batchFrameBytes = 22
	// propertyGroup is RocketMQ's own name for the sharding key. T46: the library writes
	// SHARDING_KEY instead, in which consoles, gRPC clients and the 5.x proxy see no message group.
	propertyGroup = "__SHARDINGKEY"
	// propertySeparators separate properties in their encoding. Inside a name or a value they would
	// split it into further properties.
	propertySeparators = "\x01\x02"
)

// reserved holds the names of properties to which the broker or the library gives a meaning.
// T48: DELAY, for one, delays a message that is sent alone and does nothing in a batch. TRAN_MSG
// would hide the message.
var reserved = func() map[string]bool {
	names := []string{
		primitive.PropertyKeys, primitive.PropertyTags, primitive.PropertyWaitStoreMsgOk,
		primitive.PropertyDelayTimeLevel,
		primitive.PropertyRetryTopic, primitive.PropertyTimerDeliverMS, primitive.PropertyRealTopic,
		primitive.PropertyRealQueueId, primitive.PropertyTransactionPrepared, primitive.PropertyProducerGroup,
		primitive.PropertyMinOffset, primitive.PropertyMaxOffset, primitive.PropertyBuyerId,
		primitive.PropertyOriginMessageId, primitive.PropertyTransferFlag, primitive.PropertyCorrectionFlag,
		primitive.PropertyMQ2Flag, primitive.PropertyReconsumeTime, primitive.PropertyMsgRegion,
		primitive.PropertyTraceSwitch, primitive.PropertyUniqueClientMessageIdKeyIndex,
		primitive.PropertyMaxReconsumeTimes, primitive.PropertyConsumeStartTime,
		primitive.PropertyTranscationPreparedQueueOffset, primitive.PropertyTranscationCheckTimes,
		primitive.PropertyCheckImmunityTimeInSeconds, primitive.PropertyShardingKey,
		primitive.PropertyTransactionID,
		primitive.PropertyCorrelationID, primitive.PropertyMessageReplyToClient, primitive.PropertyMessageTTL,
		primitive.PropertyReplyMessageArriveTime, primitive.PropertyMsgType, primitive.PropertyCluster,
		propertyGroup, "TIMER_DELAY_SEC", "TIMER_DELAY_MS", "INNER_BASE", "INNER_NUM", "INSTANCE_ID",
		"DUP_INFO", "LMQ_DISPATCH_QUEUE",
	}

	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}()

// encodeBatch checks msgs and makes the library's messages of them, all for queue.
func encodeBatch(topic string, queue int, target Queue, msgs []Message) ([]*primitive.Message, error) {
	if len(msgs) < 1 || len(msgs) > BatchMax {
		return nil, fmt.Errorf("batch of %d messages: 1 to %d can be sent at once", len(msgs), BatchMax)
	}

	total := 0
	encoded := make([]*primitive.Message, len(msgs))
	for i, m := range msgs {
		if m.Topic != topic || m.Queue != queue {
			return nil, fmt.Errorf("message %d (key %q) is for topic %q queue %d, its batch for topic %q queue %d",
				i, m.Key, m.Topic, m.Queue, topic, queue)
		}
		p, size, err := encodeMessage(m)
		if err != nil {
			return nil, fmt.Errorf("message %d (key %q): %w", i, m.Key, err)
		}

		// T18: the library sends a batch to the queue of its first message. No message of it may go
		// elsewhere.
		p.Queue = &primitive.MessageQueue{Topic: topic, BrokerName: target.Broker, QueueId: target.ID}
		total += size
		encoded[i] = p
	}

	if total > BatchMaxBytes {
		return nil, fmt.Errorf("batch of %d messages has %d bytes, the limit is %d",
			len(msgs), total, BatchMaxBytes)
	}
	return encoded, nil
}

func encodeMessage(m Message) (p *primitive.Message, size int, err error) {
	if len(m.Body) == 0 {
		return nil, 0, fmt.Errorf("has no body; the broker refuses that")
	}

	p = primitive.NewMessage(m.Topic, m.Body)
	for name, value := range m.Properties {
		if name == "" || reserved[name] {
			return nil, 0, fmt.Errorf("property name %q is reserved, choose another", name)
		}
		p.WithProperty(name, value)
	}

	// T18: a batch has no sharding key of its own. To the broker the key is only a property of each
	// message.
	p.WithKeys([]string{m.Key})
	p.WithTag(m.Tag)
	p.WithShardingKey(m.ShardingKey)
	p.WithProperty(propertyGroup, m.ShardingKey)

	properties := 0
	for name, value := range p.GetProperties() {
		if strings.ContainsAny(name, propertySeparators) || strings.ContainsAny(value, propertySeparators) {
			return nil, 0, fmt.Errorf(
				"property %q contains a character 0x01 or 0x02, which separates properties", name,
			)
		}
		properties += len(name) + len(value) + len(propertySeparators)
	}
	if properties > propertiesMaxBytes {
		return nil, 0, fmt.Errorf("key, tag, sharding key and properties have %d bytes, the limit is %d",
			properties, propertiesMaxBytes)
	}
	return p, len(m.Body) + properties + batchFrameBytes, nil
}
