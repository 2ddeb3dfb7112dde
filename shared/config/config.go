// Package config reads the environment that both services are configured by.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"settlement/shared/dbtx"
	"settlement/shared/notify"
	"settlement/shared/rocketmq"
)

// Config is the environment of a service. A field without a default here takes the one
// that the service gives to Load.
type Config struct {
	HTTPAddr   string `env:"HTTP_ADDR"`                           // host:port to listen on
	DBAddr     string `env:"DB_ADDR" envDefault:"127.0.0.1:3306"` // host:port of MySQL
	DBName     string `env:"DB_NAME"`
	DBUser     string `env:"DB_USER"`
	DBPassword string `env:"DB_PASSWORD"`
	// The file's content, once loaded.
	DBPasswordFile string `env:"DB_PASSWORD_FILE,file"`
	// Ip:port[;ip:port] or http://name:port.
	Namesrv          string `env:"NAMESRV_ADDR" envDefault:"127.0.0.1:9876"`
	SettlementQueues int    `env:"SETTLEMENT_QUEUES" envDefault:"8"` // of topic settlement
	// Of topic payment-outcome.
	OutcomeQueues int `env:"OUTCOME_QUEUES" envDefault:"8"`
	PointsQueues  int `env:"POINTS_QUEUES" envDefault:"4"` // of topic points
	// Messages in one transaction.
	ConsumeBatchMax int `env:"CONSUME_BATCH_MAX" envDefault:"32"`
	// debug, info, warn, error
	LogLevel slog.Level `env:"LOG_LEVEL" envDefault:"info"`
	// From not ready to no more requests.
	ShutdownDelay time.Duration `env:"SHUTDOWN_DELAY" envDefault:"3s"`
	// For requests and batches under way.
	ShutdownTimeout time.Duration `env:"SHUTDOWN_TIMEOUT" envDefault:"20s"`

	WebhookURL        string `env:"WEBHOOK_URL"` // where notices are posted; empty: they are only logged
	WebhookSecret     string `env:"WEBHOOK_SECRET"`
	WebhookSecretFile string `env:"WEBHOOK_SECRET_FILE,file"` // the file's content, once loaded

	webhook *notify.Webhook // nil without a URL
}

// Limits of the numbers above.
const (
	queuesMax          = 64
	consumeBatchMax    = 256
	shutdownDelayMax   = time.Minute
	shutdownTimeoutMax = 5 * time.Minute
)

// Load reads the environment over defaults. An error is one line that names the
// variable, its value (unless it is a secret) and what it must be.
func Load(defaults Config) (Config, error) {
	c := defaults
	if err := Parse(&c); err != nil {
		return Config{}, err
	}
	var err error
	if c.DBPassword, err = Secret("DB_PASSWORD", c.DBPassword, c.DBPasswordFile); err != nil {
		return Config{}, err
	}
	if err := c.openWebhook(); err != nil {
		return Config{}, err
	}
	return c, c.validate()
}

func (c *Config) openWebhook() (err error) {
	if c.WebhookSecret, err = Secret("WEBHOOK_SECRET", c.WebhookSecret, c.WebhookSecretFile); err != nil {
		return err
	}

	if c.WebhookURL == "" {
		if c.WebhookSecret != "" {
			return errors.New("WEBHOOK_SECRET is set and WEBHOOK_URL is not: set both or none")
		}
		return nil
	}
	c.webhook, err = notify.NewWebhook(c.WebhookURL, c.WebhookSecret)
	return err
}

// Notifiers returns the ways to tell people what only they can decide: the log, and the webhook if
// there is one.
func (c Config) Notifiers(log *slog.Logger) []notify.Notifier {
	all := []notify.Notifier{notify.Log{Logger: log}}
	if c.webhook != nil {
		all = append(all, c.webhook)
	}
	return all
}

// Parse reads the environment into c, a pointer to a struct with tags of caarlos0/env. Its errors
// are like Load's.
func Parse(c any) error {
	if err := env.Parse(c); err != nil {
		return explain(err, reflect.TypeOf(c).Elem())
	}
	return nil
}

// Secret is the variable's value, or the content of the file that name_FILE names; only one of them
// may be set.
func Secret(name, value, fileContent string) (string, error) {
	if value != "" && fileContent != "" {
		return "", fmt.Errorf("%s and %s_FILE are both set: set one of them", name, name)
	}
	if fileContent != "" {
		return strings.TrimSpace(fileContent), nil
	}
	return value, nil
}

// Database returns the part of the configuration that dbtx opens a pool with.
func (c Config) Database() dbtx.Config {
	return dbtx.Config{Addr: c.DBAddr, Name: c.DBName, User: c.DBUser, Password: c.DBPassword}
}

func (c Config) validate() error {
	for _, a := range []struct{ name, value string }{{"HTTP_ADDR", c.HTTPAddr}, {"DB_ADDR", c.DBAddr}} {
		_, port, err := net.SplitHostPort(a.value)
		if _, badPort := strconv.ParseUint(port, 10, 16); err != nil || badPort != nil {
			return fmt.Errorf("%s is %q, must be host:port with a port of 0 to 65535", a.name, a.value)
		}
	}

	if err := rocketmq.ValidateNamesrv(c.Namesrv); err != nil {
		return fmt.Errorf("NAMESRV_ADDR: %w", err)
	}

	for _, s := range []struct{ name, value string }{{"DB_NAME", c.DBName}, {"DB_USER", c.DBUser}} {
		if s.value == "" {
			return fmt.Errorf("%s is empty, must be set", s.name)
		}
	}

	for _, n := range []struct {
		name       string
		value, max int
	}{
		{"SETTLEMENT_QUEUES", c.SettlementQueues, queuesMax},
		{"OUTCOME_QUEUES", c.OutcomeQueues, queuesMax},
		{"POINTS_QUEUES", c.PointsQueues, queuesMax},
		{"CONSUME_BATCH_MAX", c.ConsumeBatchMax, consumeBatchMax},
	} {
		if n.value < 1 || n.value > n.max {
			return fmt.Errorf("%s is %d, must be 1 to %d", n.name, n.value, n.max)
		}
	}

	if c.ShutdownDelay < 0 || c.ShutdownDelay > shutdownDelayMax {
		return fmt.Errorf("SHUTDOWN_DELAY is %s, must be 0s to %s", c.ShutdownDelay, shutdownDelayMax)
	}
	if c.ShutdownTimeout <= 0 || c.ShutdownTimeout > shutdownTimeoutMax {
		return fmt.Errorf("SHUTDOWN_TIMEOUT is %s, must be above 0 and at most %s",
			c.ShutdownTimeout, shutdownTimeoutMax)
	}
	return nil
}

// explain makes one line of the first error. Where the parser names the field, the line names the
// variable.
func explain(err error, of reflect.Type) error {
	var all env.AggregateError
	if errors.As(err, &all) && len(all.Errors) > 0 {
		err = all.Errors[0]
	}

	var parse env.ParseError
	if errors.As(err, &parse) {
		if field, ok := of.FieldByName(parse.Name); ok {
			name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
			return fmt.Errorf("%s is not a valid %s: %w", name, parse.Type, parse.Err)
		}
	}

	return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
}
