// Package client calls both services over HTTP, as their users do.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	callTimeout = 20 * time.Second
	answerMax   = 4 << 20 // bytes of an answer that are read
	retryPause  = 200 * time.Millisecond
)

// Client calls the services at two base URLs (http://host:port). It is safe for concurrent use.
type Client struct {
	orderURL, paymentURL string
	http                 *http.Client
}

// New makes a client whose requests go through transport; nil is Go's own.
func New(orderURL, paymentURL string, transport http.RoundTripper) *Client {
	return &Client{
		orderURL: orderURL, paymentURL: paymentURL,
		http: &http.Client{Timeout: callTimeout, Transport: transport},
	}
}

// Problem is an answer of 400 and above.
type Problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

func (p *Problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Detail) }

// IsProblem reports whether err is an answer with that code.
func IsProblem(err error, code string) bool {
	var p *Problem
	return errors.As(err, &p) && p.Code == code
}

func (c *Client) get(ctx context.Context, url string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	return c.do(req, answer)
}

// post sends body under an idempotency key, and again with the same key as long as the
// outcome is unknown or the service is away, until ctx ends.
func (c *Client) post(ctx context.Context, url, key string, body, answer any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}

	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(encoded))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", key)

		err = c.do(req, answer)
		if !retry(err) {
			return err
		}

		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(retryPause):
		}
	}
}

func retry(err error) bool {
	if err == nil {
		return false
	}
	var p *Problem
	return !errors.As(err, &p) || p.Status >= http.StatusInternalServerError ||
		p.Code == "idempotency_key_in_flight"
}

func (c *Client) do(req *http.Request, answer any) error {
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, answerMax))
	if err != nil {
		return fmt.Errorf("%s %s: %w", req.Method, req.URL, err)
	}

	if res.StatusCode >= http.StatusBadRequest {
		p := &Problem{Status: res.StatusCode, Code: "no problem document", Detail: string(body)}
		_ = json.Unmarshal(body, p) // an answer that is no problem document is shown as it came
		return fmt.Errorf("%s %s: %w", req.Method, req.URL, p)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("%s %s: answer %.200q: %w", req.Method, req.URL, body, err)
	}
	return nil
}
