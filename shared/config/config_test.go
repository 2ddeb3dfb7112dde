package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"settlement/shared/config"
)

var defaults = config.Config{HTTPAddr: "127.0.0.1:8081", DBName: "orders", DBUser: "orders"}

func TestAWrongValueIsNamedInOneLine(t *testing.T) {
	for variable, value := range map[string]string{ //nolint:gosec // G101: wrong values, no credentials
		"HTTP_ADDR":         "8081",
		"DB_ADDR":           "localhost:",
		"NAMESRV_ADDR":      "rubbish",
		"SETTLEMENT_QUEUES": "many",
		"OUTCOME_QUEUES":    "0",
		"CONSUME_BATCH_MAX": "100000",
		"LOG_LEVEL":         "loud",
		"SHUTDOWN_TIMEOUT":  "soon",
		"SHUTDOWN_DELAY":    "2m",
		"DB_PASSWORD_FILE":  "/no/such/file",
	} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, value)
			_, err := config.Load(defaults)
			if err == nil {
				t.Fatalf("%s=%s was taken", variable, value)
			}

			if msg := err.Error(); !strings.Contains(msg, variable) || strings.Contains(msg, "\n") {
				t.Errorf("error %q does not name %s in one line", msg, variable)
			}
		})
	}
}

func TestPasswordFromFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DB_PASSWORD_FILE", file)

	c, err := config.Load(defaults)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Database().Password; got != "s3cret" {
		t.Errorf("password is %q, want the file's content without its line end", got)
	}

	t.Setenv("DB_PASSWORD", "other")
	if _, err := config.Load(defaults); err == nil {
		t.Error("both DB_PASSWORD and DB_PASSWORD_FILE were taken")
	}
}
