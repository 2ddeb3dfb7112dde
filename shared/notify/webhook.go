package notify

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// answerMaxBytes is how much of a receiver's answer is read, for the error.
const answerMaxBytes = 512

// How many bytes a secret has, decoded: standardwebhooks.com asks for 192 to 512 bits. A shorter
// one can be guessed, and then anybody can sign a notice.
const (
	secretMinBytes = 24
	secretMaxBytes = 64
)

// Webhook tells a notice by POST to a receiver, in the form of standardwebhooks.com: the headers
// webhook-id (the same when the notice is told again), webhook-timestamp and webhook-signature
// (HMAC-SHA256). A gateway to SMS or chat is such a receiver.
type Webhook struct {
	url    string
	signer *standardwebhooks.Webhook
	client *http.Client
}

// NewWebhook takes the receiver's URL and the secret that the receiver knows too: base64 of 24 to
// 64 bytes, with "whsec_" before it or not.
func NewWebhook(receiver, secret string) (*Webhook, error) {
	u, err := url.Parse(receiver)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, errors.New("WEBHOOK_URL must be an http or https URL") // its value can have a token in it
	}
	// The errors below do not show the value: it is a secret.
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return nil, errors.New("WEBHOOK_SECRET must be the receiver's secret: base64, with whsec_ before it or not")
	}
	if len(key) < secretMinBytes || len(key) > secretMaxBytes {
		return nil, fmt.Errorf("WEBHOOK_SECRET is the base64 of %d bytes, must be of %d to %d: "+
			"'openssl rand -base64 %d' makes one", len(key), secretMinBytes, secretMaxBytes, secretMinBytes)
	}
	signer, err := standardwebhooks.NewWebhookRaw(key)
	if err != nil {
		return nil, fmt.Errorf("WEBHOOK_SECRET: %w", err)
	}

	return &Webhook{url: receiver, signer: signer, client: &http.Client{
		// A redirect that is followed would take the signed notice to a receiver that nobody
		// configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Channel is "webhook".
func (*Webhook) Channel() string { return "webhook" }

// Tell posts the notice; it is taken when the receiver answers 2xx.
func (w *Webhook) Tell(ctx context.Context, id string, body []byte) error {
	now := time.Now() // the receiver refuses an old one
	signature, err := w.signer.Sign(id, now, body)
	if err != nil {
		return fmt.Errorf("sign notice %s: %w", id, err)
	}

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(standardwebhooks.HeaderWebhookID, id)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, signature)

	res, err := w.client.Do(req)
	if err != nil {
		var withURL *url.Error // the URL can have a token in it
		if errors.As(err, &withURL) {
			err = withURL.Err
		}
		return fmt.Errorf("webhook: %w", err)
	}
	defer res.Body.Close()

	answer, _ := io.ReadAll(io.LimitReader(res.Body, answerMaxBytes)) // only to explain the status
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("webhook: the receiver answered %s: %q", res.Status, answer)
	}
	return nil
}
