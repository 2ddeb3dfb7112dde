// Package receiver takes the notices about parked messages, as the gateway to a chat or to SMS
// would.
package receiver

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const bodyMaxBytes = 64 << 10

// Notice is what a receiver is told.
type Notice struct {
	ID   string `json:"-"` // webhook-id: the same however often the notice is sent
	Type string `json:"type"`
	Data struct {
		ID      string   `json:"id"`    // id of the parked message in /v1/parked
		Count   int      `json:"count"` // how many messages it tells of
		IDs     []string `json:"ids"`   // ids of the messages, when there are several
		OrderID string   `json:"order_id"`
		Reason  string   `json:"reason"`
	} `json:"data"`
}

// Receiver is an HTTP server on loopback. It is safe for concurrent use.
type Receiver struct {
	URL    string
	Secret string // in the form of WEBHOOK_SECRET

	server  *httptest.Server
	mu      sync.Mutex
	down    bool
	taken   []Notice
	refused int
	forged  []error
}

// New starts a receiver.
func New() (*Receiver, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	r := &Receiver{Secret: "whsec_" + base64.StdEncoding.EncodeToString(key)}
	verifier, err := standardwebhooks.NewWebhook(r.Secret)
	if err != nil {
		return nil, err
	}

	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter,
		req *http.Request,
	) {
		r.take(w, req, verifier)
	}))
	r.URL = r.server.URL + "/notices"
	return r, nil
}

// Close ends the server.
func (r *Receiver) Close() { r.server.Close() }

// Down makes the receiver answer 503 from now on, or take notices again.
func (r *Receiver) Down(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

// Taken returns the notices that the receiver took, one for each time.
func (r *Receiver) Taken() []Notice {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Notice{}, r.taken...)
}

// Refused is how often it answered 503.
func (r *Receiver) Refused() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

// Forged returns what was wrong with the requests that the receiver rejected: not signed with the
// secret, signed at another time, or not readable.
func (r *Receiver) Forged() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]error{}, r.forged...)
}

func (r *Receiver) take(w http.ResponseWriter, req *http.Request, verifier *standardwebhooks.Webhook) {
	body, err := io.ReadAll(io.LimitReader(req.Body, bodyMaxBytes))
	if err == nil {
		err = verifier.Verify(body, req.Header)
	}

	n := Notice{ID: req.Header.Get(standardwebhooks.HeaderWebhookID)}
	if err == nil {
		err = json.Unmarshal(body, &n)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		r.forged = append(r.forged, fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, err))
		w.WriteHeader(http.StatusUnauthorized)
	case r.down:
		r.refused++
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		r.taken = append(r.taken, n)
		w.WriteHeader(http.StatusNoContent)
	}
}
