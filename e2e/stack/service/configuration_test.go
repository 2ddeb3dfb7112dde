package service

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// chosen are the variables of the README's table that a stack sets itself: where a service listens
// and its servers are, and how many queues the topics have that it makes.
var chosen = []string{
	"HTTP_ADDR", "DB_ADDR", "DB_NAME", "DB_USER", "DB_PASSWORD", "DB_PASSWORD_FILE", "NAMESRV_ADDR",
	"SETTLEMENT_QUEUES", "OUTCOME_QUEUES", "POINTS_QUEUES",
}

var variable = regexp.MustCompile("`([A-Z][A-Z_]+)`")

// A variable that is documented and not handed on would be ignored without a word.
func TestEveryDocumentedVariableReachesTheServices(t *testing.T) {
	compose, err := os.ReadFile(filepath.Join("..", "..", "..", "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}

	for file, heading := range map[string]string{
		"shared/config/README.md": "## Configuration", "shared/config/README.zh-CN.md": "## 配置",
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		_, section, found := strings.Cut(string(text), heading+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		if !found {
			t.Fatalf("%s has no %s", file, heading)
		}

		documented := map[string]bool{}
		for line := range strings.Lines(section) {
			cells := strings.Split(line, "|")
			if len(cells) < 3 {
				continue
			}
			for _, m := range variable.FindAllStringSubmatch(cells[1], -1) {
				documented[m[1]] = true
			}
		}

		for name := range documented {
			if !slices.Contains(PassedOn, name) && !slices.Contains(chosen, name) {
				t.Errorf("%s: %s is neither passed on nor chosen by the stack", file, name)
			}
		}
		for _, name := range PassedOn {
			if !documented[name] {
				t.Errorf("%s does not list %s", file, name)
			}
			if !strings.Contains(string(compose), "  "+name+": ${"+name+":") {
				t.Errorf("docker-compose.yml does not pass %s on", name)
			}
		}
	}
}

func TestServicesGetWhatTheCallerHasSet(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, value := range map[string]string{
		"CONSUME_BATCH_MAX": "7", "LOG_LEVEL": "debug", "SHUTDOWN_DELAY": "1s", "SHUTDOWN_TIMEOUT": "30s",
		"WEBHOOK_URL": "http://127.0.0.1:1/a?b=c&d", "WEBHOOK_SECRET": "", "WEBHOOK_SECRET_FILE": "secret",
		"SETTLEMENT_QUEUES": "99",
	} {
		t.Setenv(name, value)
	}

	c, err := ConfigurationFromEnv()
	if err != nil {
		t.Fatal(err)
	}

	want := "CONSUME_BATCH_MAX=7 LOG_LEVEL=debug SHUTDOWN_DELAY=1s SHUTDOWN_TIMEOUT=30s WEBHOOK_SECRET_FILE=" +
		filepath.Join(dir, "secret") + " WEBHOOK_URL=http://127.0.0.1:1/a?b=c&d"
	if got := strings.Join(c.Env(), " "); got != want {
		t.Errorf("the services get %q, want %q", got, want)
	}
	if got, want := c.StopGrace(), (1+30+2*(30+10)+25)*time.Second; got != want {
		t.Errorf("services get %s to stop, want %s", got, want)
	}
	if got := (Configuration{}).StopGrace(); got != 108*time.Second { // as in docker-compose.yml
		t.Errorf("services get %s to stop by default, want 108 s", got)
	}
}

func TestAStackIsNotWhatItWasNotStartedAs(t *testing.T) {
	has := Configuration{"LOG_LEVEL": "debug"}
	for name, wish := range map[string]Configuration{
		"":                  {},
		"LOG_LEVEL":         {"LOG_LEVEL": "info"},
		"CONSUME_BATCH_MAX": {"LOG_LEVEL": "debug", "CONSUME_BATCH_MAX": "7"},
	} {
		if got := has.Differs(wish); got != name {
			t.Errorf("%v on %v differs in %q, want %q", wish, has, got, name)
		}
	}
}
