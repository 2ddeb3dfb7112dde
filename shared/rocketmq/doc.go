// Package rocketmq publishes to RocketMQ, consumes from it in order and asks it for offsets. It
// carries bytes and knows nothing of what they mean.
//
// Producer and Consumer are built on rocketmq-client-go, which has ways of losing, repeating and
// reordering messages without saying so. README.md lists these traps, and a comment refers to a
// trap by its number. Each trap that concerns us is closed here. Admin is a small client of its
// own, because the library's is internal.
//
// The package promises two things. SendBatch returns nil only for messages that the broker has
// stored in the queue that was asked for. A Consumer gives its handler every message of the topic
// at least once, those of one queue in the order of their offsets, and never acknowledges what the
// handler refused.
//
// T16: the package cannot promise that a queue has one consumer. RocketMQ's lock is no fence: after
// a pause of the process, a rebalance or a crash two consumers can hold one queue for a while, and
// a repeat can come late. A service that needs more keeps a fence in its database.
package rocketmq
