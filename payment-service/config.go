package main

import (
	"errors"
	"log/slog"

	"settlement/payment-service/internal/notify"
	"settlement/shared/config"
)

// settings are the environment of payment-service: what shared/config lists, and where notices about parked messages go.
type settings struct {
	config.Config

	WebhookURL        string `env:"WEBHOOK_URL"` // that takes notices; empty: they are only logged
	WebhookSecret     string `env:"WEBHOOK_SECRET"`
	WebhookSecretFile string `env:"WEBHOOK_SECRET_FILE,file"` // the file's content, once loaded

	webhook *notify.Webhook // nil without a URL
}

func loadConfig() (settings, error) {
	var s settings
	common, err := config.Load(config.Config{HTTPAddr: "127.0.0.1:8082", DBName: "payments", DBUser: "payments"})
	if err != nil {
		return settings{}, err
	}
	if err := config.Parse(&s); err != nil {
		return settings{}, err
	}
	s.Config = common
	if s.WebhookSecret, err = config.Secret("WEBHOOK_SECRET", s.WebhookSecret, s.WebhookSecretFile); err != nil {
		return settings{}, err
	}
	if s.WebhookURL == "" {
		if s.WebhookSecret != "" {
			return settings{}, errors.New("WEBHOOK_SECRET is set and WEBHOOK_URL is not: set both or none")
		}
		return s, nil
	}
	s.webhook, err = notify.NewWebhook(s.WebhookURL, s.WebhookSecret)
	return s, err
}

// notifiers are how people are told of parked messages.
func (s settings) notifiers(log *slog.Logger) []notify.Notifier {
	all := []notify.Notifier{notify.Log{Logger: log}}
	if s.webhook != nil {
		all = append(all, s.webhook)
	}
	return all
}
