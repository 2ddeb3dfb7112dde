package traceparent_test

import (
	"testing"

	"settlement/shared/traceparent"
)

func TestOr(t *testing.T) {
	const trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for given, want := range map[string]string{
		"00-" + trace + "-" + span + "-01":            "00-" + trace + "-" + span + "-01",
		"00-" + trace + "-" + span + "-00":            "00-" + trace + "-" + span + "-00",
		"01-" + trace + "-" + span + "-01":            "00-" + trace + "-" + span + "-01",
		"cc-" + trace + "-" + span + "-01-what-comes": "00-" + trace + "-" + span + "-01",
		"cc-" + trace + "-" + span + "-01-":           "00-" + trace + "-" + span + "-01",
		"fe-" + trace + "-" + span + "-03":            "00-" + trace + "-" + span + "-01",
		"fe-" + trace + "-" + span + "-fe":            "00-" + trace + "-" + span + "-00",
	} {
		if got := traceparent.Or(given); got != want {
			t.Errorf("%q became %q, want %q", given, got, want)
		}
	}

	for _, broken := range []string{
		"", "00-broken",
		"ff-" + trace + "-" + span + "-01",                    // a version that there will never be
		"00-" + trace + "-" + span + "-01-more",               // version 00 has four fields
		"00-" + trace + "-" + span + "-01-",                   // and nothing behind them
		"01-" + trace + "-" + span + "-01more",                // a further field begins with a dash
		"01-" + trace + "-" + span,                            // three fields
		"01-" + trace + "-" + span + "-1",                     // half a field
		"0-" + trace + "-" + span + "-01",                     //
		"00-00000000000000000000000000000000-" + span + "-01", // no trace
		"01-00000000000000000000000000000000-" + span + "-01",
		"01-" + trace + "-0000000000000000-01",                // no span
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-" + span + "-01", // hexadecimal is in lower case
		"01-" + trace + "-" + span + "-01-\n",
	} {
		got := traceparent.Or(broken)
		if got == broken || len(got) != 55 || got[3:35] == trace {
			t.Errorf("%q became %q, want a new one", broken, got)
		}
		if again := traceparent.Or(got); again != got {
			t.Errorf("the new %q became %q", got, again)
		}
	}
}
