package servers

import (
	"errors"
	"sync"
	"time"

	"settlement/e2e/stack/process"
	"settlement/e2e/stack/workspace"
)

// stopOrder is the order in which servers end, each with the time it gets after SIGTERM: a server
// ends before those that it uses. Services come before all of these.
var stopOrder = map[string]struct {
	rank  int
	grace time.Duration
}{
	Broker:      {1, brokerGrace},
	Namesrv:     {2, namesrvGrace},
	"mysql":     {3, databaseGrace},
	"mysql9":    {3, databaseGrace},
	"mariadb":   {3, databaseGrace},
	"mariadb11": {3, databaseGrace},
}

const lastRank = 3

// StopInOrder stops the processes, those of one rank side by side. A service gets servicesGrace.
func StopInOrder(w *workspace.Workspace, all []*process.Process, servicesGrace time.Duration) error {
	var errs []error
	for rank := 0; rank <= lastRank; rank++ {
		var wait sync.WaitGroup
		var mu sync.Mutex
		for _, p := range all {
			order, listed := stopOrder[p.Name]
			if !listed {
				order.grace = servicesGrace
			}
			if order.rank != rank {
				continue
			}

			wait.Go(func() {
				began := time.Now()
				err := p.Stop(order.grace)
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
				if err == nil {
					w.Say("%s: stopped in %s", p.Name, workspace.Since(began))
				}
			})
		}

		wait.Wait()
	}
	return errors.Join(errs...)
}
