package overlay_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"settlement/e2e/overlay"
)

func TestATextThatIsNotThereOnceIsRefused(t *testing.T) {
	root, err := overlay.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, find := range []string{"no such text in it", "e"} {
		_, err := overlay.Apply(root, []overlay.Edit{{
			File: "e2e/overlay/overlay.go", Find: find, Replace: "x",
		}})
		if err == nil || !strings.Contains(err.Error(), "overlay.go") ||
			!strings.Contains(err.Error(), find) {
			t.Errorf("replacing %q: %v, want an error that names file and text", find, err)
		}
	}
}

func TestABuiltProgramHasTheChange(t *testing.T) {
	out := t.TempDir()
	err := overlay.Build(t.Context(), out, []overlay.Edit{{
		File: "order-service/main.go", Find: `"order-service"`, Replace: `"changed-by-the-overlay"`,
	}}, "./order-service")
	if err != nil {
		t.Fatal(err)
	}

	// It refuses.
	said, _ := exec.CommandContext(t.Context(), filepath.Join(out, "order-service"), "nonsense").
		CombinedOutput()
	if !strings.Contains(string(said), "changed-by-the-overlay") {
		t.Errorf("the program says %q, which is not changed", said)
	}
}
