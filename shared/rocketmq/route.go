package rocketmq

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// Permission bits of a topic on a broker.
const (
	permRead  = 4
	permWrite = 2
	masterID  = "0" // key of the master among a broker's addresses
)

// Queue is one queue of a topic.
type Queue struct {
	Topic  string
	Broker string // the broker's name
	Addr   string // its master, host:port
	ID     int    // from 0 on each broker
}

// Route is where a topic's queues are, each list ascending by broker and queue. Brokers without a
// master and queues without the permission are left out.
type Route struct {
	Topic    string
	Readable []Queue
	Writable []Queue
}

type brokerData struct {
	BrokerName  string            `json:"brokerName"`
	BrokerAddrs map[string]string `json:"brokerAddrs"`
}

type routeData struct {
	QueueDatas []struct {
		BrokerName     string `json:"brokerName"`
		ReadQueueNums  int    `json:"readQueueNums"`
		WriteQueueNums int    `json:"writeQueueNums"`
		Perm           int    `json:"perm"`
	} `json:"queueDatas"`
	BrokerDatas []brokerData `json:"brokerDatas"`
}

func parseRoute(topic string, body []byte) (Route, error) {
	var data routeData
	if err := json.Unmarshal(quoteKeys(body), &data); err != nil {
		return Route{}, fmt.Errorf("route of topic %q: %w in %.200q", topic, err, body)
	}

	masters := map[string]string{}
	for _, broker := range data.BrokerDatas {
		if addr := broker.BrokerAddrs[masterID]; addr != "" {
			masters[broker.BrokerName] = addr
		}
	}

	route := Route{Topic: topic}
	for _, q := range data.QueueDatas {
		addr, ok := masters[q.BrokerName]
		if !ok {
			continue
		}
		queue := Queue{Topic: topic, Broker: q.BrokerName, Addr: addr}
		if q.Perm&permRead != 0 {
			for queue.ID = range q.ReadQueueNums {
				route.Readable = append(route.Readable, queue)
			}
		}
		if q.Perm&permWrite != 0 {
			for queue.ID = range q.WriteQueueNums {
				route.Writable = append(route.Writable, queue)
			}
		}
	}

	slices.SortFunc(route.Readable, compareQueues)
	slices.SortFunc(route.Writable, compareQueues)
	return route, nil
}

func compareQueues(a, b Queue) int {
	return cmp.Or(cmp.Compare(a.Broker, b.Broker), cmp.Compare(a.ID, b.ID))
}

// quoteKeys turns fastjson's dialect into JSON. T64: a name server writes the keys of a map of
// numbers without quotes, as in {0:"127.0.0.1:10911"}, unless it knows that the client wants
// standard JSON.
func quoteKeys(body []byte) []byte {
	var out bytes.Buffer
	inString, keyMayFollow := false, false

	for i := 0; i < len(body); i++ {
		b := body[i]
		switch {
		case inString:
			if b == '\\' && i+1 < len(body) {
				out.WriteByte(b)
				i++
				b = body[i]
			} else if b == '"' {
				inString = false
			}
		case keyMayFollow && (b == '-' || b >= '0' && b <= '9'):
			end := i + 1
			for end < len(body) && body[end] >= '0' && body[end] <= '9' {
				end++
			}

			// A number is a key only with a colon behind it: in an array commas come before plain
			// numbers too.
			if rest := bytes.TrimLeft(body[end:], " \t\r\n"); len(rest) > 0 && rest[0] == ':' {
				fmt.Fprintf(&out, "%q", body[i:end])
			} else {
				out.Write(body[i:end])
			}
			keyMayFollow = false
			i = end - 1
			continue
		case b == '"':
			inString, keyMayFollow = true, false
		case b == '{' || b == ',':
			keyMayFollow = true
		case b != ' ' && b != '\t' && b != '\r' && b != '\n':
			keyMayFollow = false
		}
		out.WriteByte(b)
	}

	return out.Bytes()
}
