package httpapi

import (
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"settlement/payment-service/internal/backlog"
)

// GetBacklog answers how far the consumer groups are behind, as the broker says it now.
func (a *API) GetBacklog(c *gin.Context) {
	groups, err := a.backlog.Read(c.Request.Context())
	if err != nil {
		fail(c, fmt.Errorf("%w: %w", errBroker, err))
		return
	}

	answer := Backlog{Items: make([]BacklogGroup, 0, len(groups))}
	for _, g := range groups {
		answer.Items = append(answer.Items, newBacklogGroup(g))
	}
	c.JSON(http.StatusOK, answer)
}

func newBacklogGroup(g backlog.Group) BacklogGroup {
	group := BacklogGroup{
		Topic: g.Topic, Group: g.Group, Lag: g.Lag, Queues: make([]BacklogQueue, 0, len(g.Queues)),
	}
	for _, q := range g.Queues {
		group.Queues = append(group.Queues, BacklogQueue{
			Broker: q.Broker, Queue: q.Queue, Min: q.Min, Max: q.Max, Committed: q.Committed, Lag: q.Lag,
		})
	}
	return group
}
