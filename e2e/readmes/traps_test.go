package readmes

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// trapsRoom has the page of the traps of RocketMQ's client and broker.
const trapsRoom = "shared/rocketmq"

var (
	clientPin = regexp.MustCompile(`rocketmq-client-go/v2 v\S+`)
	comment   = regexp.MustCompile(`//.*`)
	trap      = regexp.MustCompile(`\bT(\d+)\b`)
)

// Each trap stands on the page once, behind its anchor, and the page names the client that go.mod
// pins.
func TestTheTrapsAreNumbered(t *testing.T) {
	pin := clientPin.FindString(read(t, "", "go.mod"))
	for _, name := range []string{english, chinese} {
		page := read(t, trapsRoom, name)
		if trapCount(page) == 0 {
			t.Errorf("%s: want traps", name)
		}
		for n := 1; n <= trapCount(page); n++ {
			if heading := fmt.Sprintf("\n<a id=\"t%d\"></a>\n\n### T%d: ",
				n, n); strings.Count(page, heading) != 1 {
				t.Errorf("%s: want one trap T%d behind its anchor", name, n)
			}
		}
		if !strings.Contains(page, "`"+pin+"`") {
			t.Errorf("%s is not of the client %s", name, pin)
		}
	}
}

// Every comment that refers to a trap, by "T" and its number, refers to a trap that is there.
func TestCommentsReferToTrapsThatAreThere(t *testing.T) {
	count, found := trapCount(read(t, trapsRoom, english)), 0
	walk(t, func(file string) {
		if path.Ext(file) != ".go" {
			return
		}
		comments := strings.Join(comment.FindAllString(read(t, "", file), -1), "\n")
		for _, reference := range trap.FindAllStringSubmatch(comments, -1) {
			found++
			if n, _ := strconv.Atoi(reference[1]); n < 1 || n > count {
				t.Errorf("%s: there is no trap T%s", file, reference[1])
			}
		}
	})
	if found == 0 {
		t.Error("no comment refers to a trap")
	}
}

func trapCount(page string) int { return strings.Count(page, "\n### T") }
