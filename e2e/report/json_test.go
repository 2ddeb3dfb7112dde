package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestJSONSaysWhatHappened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "report.json")
	held := good("late-writer", "consumer", Repeats{Fetched: 3})
	held.Effects = []string{"1 late INSERTs refused"}
	held.Story = []Step{
		{noon, "freezing payment-service"}, {noon.Add(70 * time.Second), "waking payment-service"},
	}

	if err := WriteJSON(path, "Faults", []Row{held, doubled()}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	var run struct {
		OK    bool
		Cases []struct {
			Case, Why, Again string
			OK               bool
			Recovered        float64 `json:"recovered_seconds"`
			Repeats          struct{ Fetched int64 }
			Effects          []string
			Story            []struct{ What string }
			Violations       []struct{ Invariant, What string }
		}
	}
	if err := json.Unmarshal(text, &run); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}

	if run.OK || len(run.Cases) != 2 {
		t.Fatalf("%+v, want two cases, not all ok", run)
	}
	if c := run.Cases[0]; !c.OK || c.Repeats.Fetched != 3 || len(c.Effects) != 1 || len(c.Story) != 2 ||
		c.Story[1].What != "waking payment-service" {
		t.Errorf("the case that held is %+v", c)
	}
	if c := run.Cases[1]; c.OK || c.Again == "" || len(c.Violations) != 3 ||
		c.Violations[0].What != "debited twice" {
		t.Errorf("the case that failed is %+v", c)
	}
}
