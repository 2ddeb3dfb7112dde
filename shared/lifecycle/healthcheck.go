package lifecycle

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	healthcheckTimeout   = 4 * time.Second // /readyz takes 3 s at most
	healthcheckAnswerMax = 4 << 10         // bytes of the answer, for the error
)

// Healthcheck asks the service that listens on addr (its HTTP_ADDR) whether it is ready; nil means
// that /readyz answered 200. A container's health check runs it: the image has no other program.
func Healthcheck(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}

	// No proxy: Docker can set one for every container, and 0.0.0.0 does not count as local to it.
	client := &http.Client{Transport: &http.Transport{}}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	defer res.Body.Close()

	if res.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(io.LimitReader(res.Body, healthcheckAnswerMax)) // only to explain the status
		return fmt.Errorf("health check: GET /readyz at %s: %s: %s", addr, res.Status, answer)
	}
	return nil
}
