// Package idempotency makes a change and the answer to it one transaction under the
// caller's Idempotency-Key: the same key and the same request get the first answer again.
package idempotency

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// KeyMaxLength is the longest key, in bytes.
const KeyMaxLength = 255

// Errors that a caller answers its client with.
var (
	ErrKeyMissing = errors.New("Idempotency-Key header is missing: send a new UUID with every new request and the same one with its retries")
	ErrKeyInvalid = errors.New("Idempotency-Key must be 1 to 255 printable ASCII characters")
	ErrKeyReused  = errors.New("Idempotency-Key was used for another request: send a new key with a new request")
	ErrInFlight   = errors.New("the first request with this Idempotency-Key is still in flight: try again with the same key")
)

// Request identifies one logical request of a client.
type Request struct {
	key  string
	hash string // hex SHA-256 of the operation and its body
}

// NewRequest takes the client's key, the operation ("POST /v1/orders/{id}/settle" with the id in
// it) and the decoded body, so that the same JSON spelled differently is the same request. It
// returns ErrKeyMissing or ErrKeyInvalid.
func NewRequest(key, operation string, body any) (Request, error) {
	if key == "" {
		return Request{}, ErrKeyMissing
	}
	if len(key) > KeyMaxLength {
		return Request{}, fmt.Errorf("%w: it has %d", ErrKeyInvalid, len(key))
	}
	for _, r := range key {
		if r < '!' || r > '~' {
			return Request{}, fmt.Errorf("%w: it has %q", ErrKeyInvalid, r)
		}
	}

	encoded, err := json.Marshal(body)
	if err != nil {
		return Request{}, fmt.Errorf("encode request: %w", err)
	}
	sum := sha256.Sum256(append([]byte(operation+"\n"), encoded...))
	return Request{key: key, hash: hex.EncodeToString(sum[:])}, nil
}
