package rocketmq

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var repository = os.DirFS("../..")

// Each trap stands on the page once, behind its anchor, and the page names the client that go.mod
// pins.
func TestTheTrapsAreNumbered(t *testing.T) {
	for _, name := range []string{"README.md", "README.zh-CN.md"} {
		page := readFile(t, name)
		if trapCount(page) == 0 {
			t.Errorf("%s: want traps", name)
		}
		for n := 1; n <= trapCount(page); n++ {
			if heading := fmt.Sprintf("\n<a id=\"t%d\"></a>\n\n### T%d: ", n, n); strings.Count(page, heading) != 1 {
				t.Errorf("%s: want one trap T%d behind its anchor", name, n)
			}
		}

		pin := regexp.MustCompile(`rocketmq-client-go/v2 v\S+`).FindString(readFile(t, "../../go.mod"))
		if !strings.Contains(page, "`"+pin+"`") {
			t.Errorf("%s is not of the client %s", name, pin)
		}
	}
}

// Every comment that refers to a trap, by "T", its number and a colon, refers to a trap that is
// there.
func TestCommentsReferToTrapsThatAreThere(t *testing.T) {
	comment, trap := regexp.MustCompile(`//.*`), regexp.MustCompile(`\bT(\d+)\b`)
	count, found := trapCount(readFile(t, "README.md")), 0

	err := fs.WalkDir(repository, ".", func(file string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && file != "." && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		if err != nil || path.Ext(file) != ".go" {
			return err
		}

		comments := strings.Join(comment.FindAllString(readFile(t, "../../"+file), -1), "\n")
		for _, r := range trap.FindAllStringSubmatch(comments, -1) {
			found++
			if n, _ := strconv.Atoi(r[1]); n < 1 || n > count {
				t.Errorf("%s: there is no trap T%s", file, r[1])
			}
		}
		return nil
	})
	if err != nil || found == 0 {
		t.Errorf("%d references to traps in comments, error %v", found, err)
	}
}

func trapCount(page string) int { return strings.Count(page, "\n### T") }

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := fs.ReadFile(repository, path.Join("shared/rocketmq", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
