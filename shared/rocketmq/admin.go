package rocketmq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// Request and answer codes of the remoting protocol.
const (
	requestRoute       = 105
	requestClusterInfo = 106
	responseSuccess    = 0
	responseNoTopic    = 17
	responseNotFound   = 22
)

// ErrTopicMissing says that none of the name servers that answered knows the topic. The topic was
// not created, or the broker that has it is down or came back less than about 10 s ago.
var ErrTopicMissing = errors.New("topic does not exist")

// errNoBroker comes with ErrTopicMissing when the name server knows no broker at all. Its answer
// then says nothing about the topic.
var errNoBroker = errors.New("no broker is registered; is it up, or is one of them just starting?")

// Admin asks name servers and brokers over remoting connections of its own, one for each address; a
// broken one is opened again. Every call is bounded by its context and by 3 s for each address it
// has to ask. Safe for concurrent use. It does not sign its requests: it cannot be used where the
// broker demands ACL.
type Admin struct {
	namesrvs []string
	prefer   atomic.Int64 // index of the name server that answered with success last
	remoting *remoting
}

// NewAdmin makes an Admin for name servers given as ip:port[;ip:port] or http://name:port. Nothing
// is dialled before the first question. The error says what is wrong with the address.
func NewAdmin(namesrv string) (*Admin, error) {
	addrs, err := parseNamesrv(namesrv)
	if err != nil {
		return nil, err
	}
	return &Admin{namesrvs: addrs, remoting: newRemoting()}, nil
}

// Close closes the connections; calls under way and later ones fail.
func (a *Admin) Close() error {
	a.remoting.shutdown()
	return nil
}

// Route asks where a topic's queues are. The error is ErrTopicMissing (ask with errors.Is) when
// there is no such topic.
func (a *Admin) Route(ctx context.Context, topic string) (Route, error) {
	// T64: without this flag a name server may answer in fastjson's dialect, as older ones do
	// anyway. quoteKeys turns it into JSON.
	fields := map[string]string{"topic": topic, "acceptStandardJsonOnly": "true"}
	answer, err := a.askNamesrv(ctx, requestRoute, fields)
	if err == nil {
		return parseRoute(topic, answer.Body)
	}

	var refused *responseError
	if !errors.As(err, &refused) || refused.Code != responseNoTopic {
		return Route{}, fmt.Errorf("route of topic %q: %w", topic, err)
	}

	// T38: a name server that has just started knows no topic because it knows no broker, for up to
	// 30 s.
	brokers, err := a.masters(ctx)
	if err != nil {
		return Route{}, fmt.Errorf("route of topic %q: %w", topic, err)
	}
	if len(brokers) == 0 {
		return Route{}, fmt.Errorf("topic %q: %w at name server %s: %w",
			topic, ErrTopicMissing, strings.Join(a.namesrvs, ";"), errNoBroker)
	}
	return Route{}, fmt.Errorf("topic %q: %w at name server %s; create it, or bring back the broker that has it",
		topic, ErrTopicMissing, strings.Join(a.namesrvs, ";"))
}

// Ping says whether messages could flow now. It asks a name server for the route of each topic, and
// each broker in these routes for an offset.
func (a *Admin) Ping(ctx context.Context, topics ...string) error {
	asked := map[string]bool{}
	for _, topic := range topics {
		route, err := a.Route(ctx, topic)
		if err != nil {
			return err
		}
		if len(route.Readable) == 0 {
			return fmt.Errorf("topic %q has no readable queue on a broker that is up", topic)
		}

		for _, queue := range route.Readable {
			if asked[queue.Addr] {
				continue
			}
			asked[queue.Addr] = true
			if _, err := a.MaxOffset(ctx, queue); err != nil {
				return err
			}
		}
	}
	return nil
}

// masters lists the addresses of the master brokers that the name server knows.
func (a *Admin) masters(ctx context.Context) ([]string, error) {
	answer, err := a.askNamesrv(ctx, requestClusterInfo, nil)
	if err != nil {
		return nil, fmt.Errorf("list of brokers: %w", err)
	}

	var cluster struct {
		BrokerAddrTable map[string]brokerData `json:"brokerAddrTable"`
	}
	if err := json.Unmarshal(quoteKeys(answer.Body), &cluster); err != nil {
		return nil, fmt.Errorf("list of brokers: %w in %.200q", err, answer.Body)
	}

	var addrs []string
	for _, broker := range cluster.BrokerAddrTable {
		if addr := broker.BrokerAddrs[masterID]; addr != "" {
			addrs = append(addrs, addr)
		}
	}
	return addrs, nil
}

// askNamesrv asks the name servers in turn until one answers with success. It begins with the one
// that did so last. T38: a refusal counts only when no other name server knows better. Otherwise a
// name server that has just started would make topics look missing.
func (a *Admin) askNamesrv(ctx context.Context, code int, fields map[string]string) (command, error) {
	first := int(a.prefer.Load())
	var refusal, failure error

	for i := range a.namesrvs {
		n := (first + i) % len(a.namesrvs)
		answer, err := a.askOne(ctx, a.namesrvs[n], len(a.namesrvs)-i, code, fields)
		switch {
		case err != nil:
			err = fmt.Errorf("name server %w", err)
			if failure != nil {
				err = fmt.Errorf("%w; %w", failure, err)
			}
			failure = err
		case answer.Code != responseSuccess:
			refusal = fmt.Errorf("name server %w", &responseError{a.namesrvs[n], answer.Code, answer.Remark})
		default:
			a.prefer.Store(int64(n))
			return answer, nil
		}
	}

	if refusal != nil {
		return command{}, refusal
	}
	return command{}, fmt.Errorf("%w; is it up, and is NAMESRV_ADDR right?", failure)
}

// askOne gives a name server its share of the time that is left, so that a silent one leaves some
// for the rest.
func (a *Admin) askOne(
	ctx context.Context, addr string, left, code int, fields map[string]string,
) (command, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	return a.remoting.call(ctx, addr, code, fields, nil)
}
