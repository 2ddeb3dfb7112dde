package stack

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"settlement/e2e/stack/testcheckout"
)

// awkward is a value with every character that means something to a shell.
const awkward = `a'b"c$HOME;d e\f(g)&*?#!{h}|<i>~` + "`j`"

func TestEveryReaderOfTheEnvironmentFileGetsTheSame(t *testing.T) {
	w := testcheckout.New(t)
	addresses := Addresses{
		OrderURL: "http://127.0.0.1:15001", PaymentURL: "http://127.0.0.1:15002",
		NamesrvAddr: "127.0.0.1:15003", BrokerAddr: "127.0.0.1:15004",
		OrderDSN:   "orders:S3CRET@tcp(127.0.0.1:15005)/orders?parseTime=true",
		PaymentDSN: "payments:S3CRET@tcp(127.0.0.1:15005)/payments?parseTime=true",
	}
	want := map[string]string{
		"ORDER_URL": addresses.OrderURL, "PAYMENT_URL": addresses.PaymentURL,
		"NAMESRV_ADDR": addresses.NamesrvAddr,
		"BROKER_ADDR":  addresses.BrokerAddr, "ORDER_DSN": addresses.OrderDSN,
		"PAYMENT_DSN": addresses.PaymentDSN,
		"DB_ADDR":     "127.0.0.1:15005",
	}

	readers := map[string]string{
		"sh":                         `set -a; . .run/stack.env`,
		"bash":                       `set -eua; . .run/stack.env`,
		"sh without set -a":          `. .run/stack.env && export ORDER_URL PAYMENT_URL NAMESRV_ADDR BROKER_ADDR DB_ADDR DB_PASSWORD`,
		"bash of words":              `export $(cat .run/stack.env)`,
		"bash of words without DSN":  `export $(grep -v DSN .run/stack.env)`,
		"bash of words behind xargs": `export $(xargs <.run/stack.env)`,
	}

	for _, password := range []string{"S3CRET", awkward} {
		if err := writeEnv(w, addresses,
			keyValues{{"DB_ADDR", "127.0.0.1:15005"}, {"DB_PASSWORD", password}}); err != nil {
			t.Fatal(err)
		}
		want["DB_PASSWORD"] = password

		content, err := os.ReadFile(envFile(w))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for line := range strings.Lines(string(content)) {
			key, value, isPair := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			if !isPair || key == "" || strings.ContainsAny(key, " \t") {
				t.Errorf("%q is no KEY=VALUE", line)
			}
			got[key] = value
		}
		compare(t, "a program that splits", got, want)

		for name, script := range readers {
			if strings.Contains(name, "words") && password == awkward {
				continue // a blank in a value is two words
			}
			expected := want
			if strings.Contains(name, "without DSN") {
				expected = map[string]string{
					"ORDER_URL": addresses.OrderURL, "DB_ADDR": "127.0.0.1:15005", "DB_PASSWORD": password,
				}
			}
			compare(t, name, environmentAfter(t, strings.Fields(name)[0], script), expected)
		}
	}
}

// environmentAfter returns the environment of a program that the shell starts after script.
func environmentAfter(t *testing.T, shell, script string) map[string]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), shell, "-c", script+"; env -0")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nowhere"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %s: %v\n%s", shell, script, err, out)
	}

	env := map[string]string{}
	for pair := range strings.SplitSeq(string(out), "\x00") {
		key, value, _ := strings.Cut(pair, "=")
		env[key] = value
	}
	return env
}

func compare(t *testing.T, who string, got, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s: %s is %q, want %q", who, key, got[key], value)
		}
	}
}
