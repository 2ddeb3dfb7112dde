package service

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// PassedOn are the variables of the configuration table in shared/config/README.md that `make up`
// hands on to the services where they are set. The other variables say where a service and its
// servers are: the stack chooses those itself.
var PassedOn = []string{
	"CONSUME_BATCH_MAX", "LOG_LEVEL", "SHUTDOWN_DELAY", "SHUTDOWN_TIMEOUT",
	"WEBHOOK_SECRET", "WEBHOOK_SECRET_FILE", "WEBHOOK_URL",
}

// The services' defaults for the time that they get to stop.
const (
	defaultShutdownDelay   = 3 * time.Second
	defaultShutdownTimeout = 20 * time.Second
)

// Configuration holds the variables of PassedOn that are set. An empty value counts as absent, as
// it does to the services.
type Configuration map[string]string

// WithoutBalancer is the configuration of a stack that ends with its run: nothing in front of it
// has to see that a service is about to stop.
var WithoutBalancer = Configuration{"SHUTDOWN_DELAY": "0s"}

// ConfigurationFromEnv is what the caller has set.
func ConfigurationFromEnv() (Configuration, error) {
	c := Configuration{}
	for _, name := range PassedOn {
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

// Env is what each service gets, as KEY=VALUE.
func (c Configuration) Env() []string {
	var env []string
	for name, value := range c {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}

// Differs names the first variable of wish that has another value here, "" when there is none. A
// variable that wish does not name may have any value.
func (c Configuration) Differs(wish Configuration) string {
	for _, name := range PassedOn {
		if value, wished := wish[name]; wished && c[name] != value {
			return name
		}
	}
	return ""
}

// StopGrace is what a service may need between SIGTERM and its end.
func (c Configuration) StopGrace() time.Duration {
	delay, timeout := c.duration("SHUTDOWN_DELAY", defaultShutdownDelay), c.duration("SHUTDOWN_TIMEOUT",
		defaultShutdownTimeout)
	const (
		consumers    = 2                // of payment-service, one after the other
		consumerMore = 10 * time.Second // on top of SHUTDOWN_TIMEOUT, each
		outboxMore   = 25 * time.Second // the relay's last round, and closing
	)
	return delay + timeout + consumers*(timeout+consumerMore) + outboxMore
}

func (c Configuration) duration(name string, otherwise time.Duration) time.Duration {
	if d, err := time.ParseDuration(c[name]); err == nil {
		return d
	}
	return otherwise // also of a wrong value: no service starts with it
}
