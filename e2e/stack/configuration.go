package stack

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// passedOn are the variables of the configuration table in shared/config/README.md that `make up`
// hands on to the services where they are set. The other variables say where a service and its
// servers are: the stack chooses those itself.
var passedOn = []string{
	"CONSUME_BATCH_MAX", "LOG_LEVEL", "SHUTDOWN_DELAY", "SHUTDOWN_TIMEOUT",
	"WEBHOOK_SECRET", "WEBHOOK_SECRET_FILE", "WEBHOOK_URL",
}

// The services' defaults for the time that they get to stop.
const (
	defaultShutdownDelay   = 3 * time.Second
	defaultShutdownTimeout = 20 * time.Second
)

// configuration holds the variables of passedOn that are set. An empty value counts as absent, as
// it does to the services.
type configuration map[string]string

// configurationFromEnv is what the caller has set.
func configurationFromEnv() (configuration, error) {
	c := configuration{}
	for _, name := range passedOn {
		value := os.Getenv(name)
		if value == "" {
			continue
		}
		if name == "WEBHOOK_SECRET_FILE" { // a service runs in another directory
			absolute, err := filepath.Abs(value)
			if err != nil {
				return nil, fmt.Errorf("WEBHOOK_SECRET_FILE: %w", err)
			}
			value = absolute
		}
		c[name] = value
	}
	return c, nil
}

// env is what each service gets, as KEY=VALUE.
func (c configuration) env() []string {
	var env []string
	for name, value := range c {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}

// differs names the first variable of wish that has another value here, "" when there is none. A
// variable that wish does not name may have any value.
func (c configuration) differs(wish configuration) string {
	for _, name := range passedOn {
		if value, wished := wish[name]; wished && c[name] != value {
			return name
		}
	}
	return ""
}

// stopGrace is what a service may need between SIGTERM and its end.
func (c configuration) stopGrace() time.Duration {
	delay, timeout := c.duration("SHUTDOWN_DELAY", defaultShutdownDelay), c.duration("SHUTDOWN_TIMEOUT", defaultShutdownTimeout)
	const (
		consumers    = 2                // of payment-service, one after the other
		consumerMore = 10 * time.Second // on top of SHUTDOWN_TIMEOUT, each
		outboxMore   = 25 * time.Second // the relay's last round, and closing
	)
	return delay + timeout + consumers*(timeout+consumerMore) + outboxMore
}

func (c configuration) duration(name string, otherwise time.Duration) time.Duration {
	if d, err := time.ParseDuration(c[name]); err == nil {
		return d
	}
	return otherwise // also of a wrong value: no service starts with it
}
