package cases

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"settlement/e2e/checker"
	"settlement/e2e/faults"
)

// playing is a case without a stack.
func playing(power *faults.Switch) *Play {
	return &Play{World: &World{power: power}, say: func(string) {}, history: checker.NewHistory()}
}

func TestAnEffectThatDoesNotComeFailsTheCase(t *testing.T) {
	off := &faults.Switch{}
	off.Off()

	for name, power := range map[string]*faults.Switch{"armed": {}, "disarmed": off} {
		synctest.Test(t, func(t *testing.T) {
			p, began := playing(power), time.Now()
			acted := false

			_, err := p.with(t.Context(), 2, "messages stored again",
				func(context.Context) (int64, error) { return 7, nil },
				func() (int64, error) { acted = true; return 5, nil })
			if !errors.Is(err, errNoEffect) ||
				!strings.Contains(err.Error(), "0 messages stored again, want 2") || !acted {
				t.Errorf("%s: error %v, want that nothing came of it", name, err)
			}
			if waited := time.Since(began); power.On() && waited < momentLimit || waited > 2*momentLimit {
				t.Errorf("%s: waited %s for it", name, waited)
			}
			if len(p.effects) != 0 {
				t.Errorf("%s: tells of %q", name, p.effects)
			}
		})
	}
}

func TestAnEffectIsWaitedForAndCountedFromTheFaultOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, began := playing(nil), time.Now()

		// 40 were there before; from 3 s on there are two more.
		now := func(context.Context) (int64, error) {
			if time.Since(began) < 3*time.Second {
				return 40, nil
			}
			return 42, nil
		}

		fired, err := p.with(t.Context(), 2, "messages stored again", now,
			func() (int64, error) { return 5, nil })
		if err != nil || fired != 5 || len(p.effects) != 1 || p.effects[0] != "2 messages stored again" {
			t.Errorf("fired %d, error %v, seen %q; want 5 and 2 messages", fired, err, p.effects)
		}
	})
}

// A measure that fails says nothing about the fault.
func TestAnEffectThatCannotBeMeasuredIsNotMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("the broker is away")
		_, err := playing(nil).came(t.Context(),
			&effect{what: "x", least: 1, now: func(context.Context) (int64, error) { return 0, away }})
		if !errors.Is(err, away) || errors.Is(err, errNoEffect) {
			t.Errorf("error %v, want that of the measure", err)
		}
	})
}

func TestWhatIsThereByNowIsEnoughOrNot(t *testing.T) {
	p := playing(nil)
	if err := p.had(3, 4, "requests"); !errors.Is(err, errNoEffect) {
		t.Errorf("3 of 4: error %v, want no effect", err)
	}
	if err := p.had(4, 4, "requests"); err != nil {
		t.Errorf("4 of 4: %v", err)
	}
}
