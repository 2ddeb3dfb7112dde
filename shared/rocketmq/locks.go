package rocketmq

import (
	"context"
	"encoding/json"
	"fmt"
)

const (
	requestLock   = 41
	requestUnlock = 42
)

// lockBody is the body of both requests.
type lockBody struct {
	Group    string      `json:"consumerGroup"`
	ClientID string      `json:"clientId"`
	Queues   []lockQueue `json:"mqSet"`
}

type lockQueue struct {
	Topic  string `json:"topic"`
	Broker string `json:"brokerName"`
	ID     int    `json:"queueId"`
}

// unlock gives up a client's locks on queues of one broker. Locks that another client holds stay.
func (a *Admin) unlock(ctx context.Context, addr, group, clientID string, queues []Queue) error {
	_, err := a.lockRequest(ctx, requestUnlock, addr, group, clientID, queues)
	return err
}

func (a *Admin) lockRequest(
	ctx context.Context, code int, addr, group, clientID string, queues []Queue,
) (command, error) {
	request := lockBody{Group: group, ClientID: clientID}
	for _, q := range queues {
		request.Queues = append(request.Queues, lockQueue{q.Topic, q.Broker, q.ID})
	}

	body, err := json.Marshal(request)
	if err != nil {
		return command{}, fmt.Errorf("encode lock request: %w", err)
	}
	answer, err := a.remoting.ask(ctx, addr, code, nil, body)
	if err != nil {
		return command{}, fmt.Errorf("broker %w", err)
	}
	return answer, nil
}
