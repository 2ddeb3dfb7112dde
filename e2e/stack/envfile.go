package stack

import (
	"errors"
	"os"
	"regexp"
	"strings"

	"settlement/e2e/stack/workspace"
)

// envFile is what `make up` leaves for people and tools: KEY=VALUE lines.
func envFile(w *workspace.Workspace) string { return w.Path("stack.env") }

// keyValues are lines of an environment.
type keyValues [][2]string

func writeEnv(w *workspace.Workspace, a Addresses, more keyValues) error {
	var b strings.Builder
	for _, kv := range append(keyValues{
		{"ORDER_URL", a.OrderURL},
		{"PAYMENT_URL", a.PaymentURL},
		{"NAMESRV_ADDR", a.NamesrvAddr},
		{"BROKER_ADDR", a.BrokerAddr},
		{"ORDER_DSN", a.OrderDSN},
		{"PAYMENT_DSN", a.PaymentDSN},
	}, more...) {
		b.WriteString(envLine(kv[0], kv[1]))
	}
	return workspace.WriteFile(envFile(w), []byte(b.String()), 0o600)
}

// plainToShell are values that a shell takes as they stand.
var plainToShell = regexp.MustCompile(`^[A-Za-z0-9_.,:/@%+-]*$`)

// envLine returns KEY=VALUE with the value as it is, for two kinds of readers: programs that split
// each line at its first '=', or the file into words, and a shell that reads it as a script. The
// parentheses of a DSN, say, are a syntax error to a shell, and quotes would be part of the value
// to the programs. So the line stands in a here-document, from which the shell reads and exports
// it. The lines around it are words of the form KEY=VALUE too, hence ${IFS}, which is a space to
// the shell. They contain DSN, so that a reader who leaves out the lines with DSN leaves them out
// too.
func envLine(key, value string) string {
	line := key + "=" + value + "\n"
	if plainToShell.MatchString(value) {
		return line
	}
	return "_DSN=;read${IFS}-r${IFS}DSN<<'_DSN='\n" + line + "_DSN=\n_DSN=;export${IFS}\"$DSN\"\n"
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
