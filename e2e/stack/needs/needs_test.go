package needs

import (
	"strings"
	"testing"

	"settlement/e2e/stack/testcheckout"
)

func TestMissingToolsAreNamedWithTheCommandThatInstallsThem(t *testing.T) {
	w := testcheckout.New(t)
	t.Setenv("PATH", t.TempDir()) // hides apt-get too, so that nothing is installed
	err := Provide(t.Context(), w, Java, Maven)
	if err == nil {
		t.Fatal("nothing is missing with an empty PATH")
	}
	for _, want := range []string{
		"JDK 17 or newer is missing",
		"Maven is missing",
		"sudo apt-get update && sudo apt-get install -y --no-install-recommends default-jdk-headless maven",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}

func TestJavaVersion(t *testing.T) {
	for output, ok := range map[string]bool{
		`openjdk version "17.0.15" 2025-04-15`: true,
		`openjdk version "21" 2023-09-19`:      true,
		`openjdk version "11.0.2" 2019-01-15`:  false,
		`java version "1.8.0_202"`:             false,
		`The operation couldn't be completed.`: false,
	} {
		if err := javaTooOld(output); (err == nil) != ok {
			t.Errorf("%s: %v", output, err)
		}
	}
}
