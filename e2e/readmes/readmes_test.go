package readmes

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	english = "README.md"
	chinese = "README.zh-CN.md"

	// frontDoorMax is how long, in bytes, the first README may be: ten minutes of reading.
	frontDoorMax = 12 << 10
)

var (
	repository = os.DirFS("../..")

	link    = regexp.MustCompile(`\[([^\]]+)\]\(([^)]+)\)`)
	code    = regexp.MustCompile("`[^`\n]+`")
	heading = regexp.MustCompile(`(?m)^#+ .*$`)
	fences  = regexp.MustCompile("(?ms)^```.*?^```")
	mark    = regexp.MustCompile(`<a id="([^"]+)">`)
	noWord  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	kebab   = regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`)
	target  = regexp.MustCompile(`(?m)(?:^|\x60)make ([a-z-]+)((?: [A-Z]+=[^\s\x60,]+)*)`)
)

// Both languages say the same: as many headings of each level, the same links and the same commands
// below each.
func TestBothLanguagesSayTheSame(t *testing.T) {
	for _, dir := range rooms(t) {
		here, there := sections(read(t, dir, english)), sections(read(t, dir, chinese))
		if len(here) != len(there) {
			t.Errorf("%s: %d headings in English, %d in Chinese", dir, len(here), len(there))
			continue
		}

		for i := range here {
			if here[i] != there[i] {
				t.Errorf("%s: below heading %d English has\n%s\nand Chinese\n%s", dir, i, here[i], there[i])
			}
		}
	}
}

// Every link of a README leads somewhere: to a file, to a heading, or to the test, fault case or
// wrong version that the link is named for.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, dir := range rooms(t) {
		for _, name := range []string{english, chinese} {
			for _, l := range link.FindAllStringSubmatch(withoutFences(read(t, dir, name)), -1) {
				if err := follow(t, dir, name, strings.Trim(l[1], "`"), l[2]); err != nil {
					t.Errorf("%s: [%s](%s): %v", path.Join(dir, name), l[1], l[2], err)
				}
			}
		}
	}
}

func follow(t *testing.T, dir, page, name, to string) error {
	t.Helper()
	if strings.HasPrefix(to, "https://") {
		return nil
	}
	file, anchor, _ := strings.Cut(to, "#")
	file = path.Join(dir, file)
	if strings.HasPrefix(to, "#") {
		file = path.Join(dir, page)
	}
	info, err := fs.Stat(repository, file)
	if err != nil || info.IsDir() {
		return err
	}

	text, err := fs.ReadFile(repository, file)
	switch {
	case err != nil:
		return err
	case anchor != "" && !slices.Contains(anchors(string(text)), anchor):
		return fmt.Errorf("there is no such heading; there are %v", anchors(string(text)))
	case strings.HasPrefix(name, "Test") && !strings.Contains(string(text), "\nfunc "+name+"("):
		return fmt.Errorf("the file has no test of that name")
	case kebab.MatchString(name) && path.Ext(file) == ".go" && !strings.Contains(string(text), `"`+name+`"`):
		return fmt.Errorf("the file has no case of that name")
	}
	return nil
}

// The commands that a README names are there: targets of the Makefile, tests, fault cases and wrong
// versions.
func TestCommandsAreThere(t *testing.T) {
	makefile, source := read(t, "", "Makefile"), sources(t)

	for _, dir := range rooms(t) {
		for _, c := range target.FindAllStringSubmatch(read(t, dir, english), -1) {
			if !strings.Contains(makefile, "\n"+c[1]+":") {
				t.Errorf("%s: make %s is no target", dir, c[1])
			}
			for _, argument := range strings.Fields(c[2]) {
				variable, value, _ := strings.Cut(argument, "=")
				switch variable {
				case "NAME":
					if value != "…" && !strings.Contains(source, "\nfunc "+value+"(") {
						t.Errorf("%s: %s: there is no such test", dir, c[0])
					}
				case "CASE":
					if value != "name" && !strings.Contains(source, `"`+value+`"`) {
						t.Errorf("%s: %s: there is no such case", dir, c[0])
					}
				case "ONLY":
					found, err := fs.Glob(repository, "e2e/sabotage/patches/*/"+value+".patch")
					if value != "name" && (err != nil || len(found) != 1) {
						t.Errorf("%s: %s: there is no such version: %v", dir, c[0], err)
					}
				}
			}
		}
	}
}

func TestTheFrontDoorIsTenMinutes(t *testing.T) {
	for _, name := range []string{english, chinese} {
		if n := len(read(t, "", name)); n > frontDoorMax {
			t.Errorf("%s has %d bytes, want at most %d: move what not everybody needs into a room",
				name, n, frontDoorMax)
		}
	}
}

// rooms are the directories with a README.
func rooms(t *testing.T) (dirs []string) {
	t.Helper()
	walk(t, func(file string) {
		if path.Base(file) == english {
			dirs = append(dirs, path.Dir(file))
		}
	})
	if len(dirs) < 2 {
		t.Fatalf("READMEs are in %v, want more", dirs)
	}
	return dirs
}

// sources are all Go files, behind each other.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	walk(t, func(file string) {
		if path.Ext(file) == ".go" {
			all.WriteString(read(t, "", file))
		}
	})
	return all.String()
}

func walk(t *testing.T, visit func(file string)) {
	t.Helper()
	err := fs.WalkDir(repository, ".", func(file string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && file != "." && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		if err == nil && !entry.IsDir() {
			visit(file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sections are a page's headings by level, each with the links and commands below it, sorted:
// languages differ in the order of words.
func sections(page string) (all []string) {
	var fence bool
	current := []string{"(top)"}
	end := func() {
		slices.Sort(current[1:])
		all = append(all, strings.Join(current, "\n"))
	}

	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "```") {
			fence = !fence
			continue
		}

		switch {
		case fence:
			if command := commandIn(line); command != "" {
				current = append(current, command)
			}
		case strings.HasPrefix(line, "#"):
			end()
			current = []string{strings.Repeat("#", strings.Count(strings.Fields(line)[0], "#"))}
		default:
			for _, l := range link.FindAllStringSubmatch(line, -1) {
				file, _, _ := strings.Cut(l[2], "#")
				current = append(current, strings.Replace(file, chinese, english, 1))
			}
			current = append(current, code.FindAllString(line, -1)...)
		}
	}

	end()
	return all
}

var (
	spoken      = regexp.MustCompile(`\s+# .*$|'[^']*'`)
	commandLine = regexp.MustCompile(`^\s*(make|go|docker|payment-service|order-service|curl|post|get|until_is|[A-Z]+=)\b`)
)

// commandIn returns the command in a line of a code block, without its comments and quoted words,
// which depend on the language. It is empty for any other line, such as those of a diagram.
func commandIn(line string) string {
	if !commandLine.MatchString(line) {
		return ""
	}
	return strings.TrimSpace(spoken.ReplaceAllString(line, ""))
}

func withoutFences(page string) string { return fences.ReplaceAllString(page, "") }

// anchors are the names by which a page's headings and its own <a id="…"> marks can be linked.
func anchors(page string) (all []string) {
	for _, h := range heading.FindAllString(withoutFences(page), -1) {
		words := strings.ToLower(strings.TrimLeft(h, "# "))
		words = noWord.ReplaceAllString(words, "")
		all = append(all, strings.ReplaceAll(words, " ", "-"))
	}

	for _, m := range mark.FindAllStringSubmatch(page, -1) {
		all = append(all, m[1])
	}
	return all
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := fs.ReadFile(repository, path.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
