// Command faults runs the fault cases: make faults and make soak.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"settlement/e2e/cases"
	"settlement/e2e/report"
)

const (
	// runLimit bounds a run of all cases, downloads of a first run included.
	runLimit = 60 * time.Minute
	lanesMax = 8
)

// options are the command line.
type options struct {
	names    string
	from     string
	seed     uint64
	lanes    int
	recovery time.Duration
	soak     time.Duration
	html     string
	list     bool
	disarmed bool
}

func main() {
	var o options
	flag.StringVar(&o.names, "case", "", "names of cases, with commas between; empty: all")
	flag.StringVar(&o.from, "from", "",
		"only cases whose repeat or loss comes from there: client, producer, broker, consumer, database, with commas between")
	flag.Uint64Var(&o.seed, "seed", 1, "every choice; the same seed makes the same ones")
	flag.IntVar(&o.lanes, "lanes", 3, "stacks side by side, each with its own servers")
	flag.DurationVar(&o.recovery, "recovery", 90*time.Second,
		"how long after a fault's end everything may take to be right")
	flag.DurationVar(&o.soak, "soak", 0,
		"instead of case by case: a random mix for this long, under the highest load")
	flag.StringVar(&o.html, "html", filepath.Join(".run", "faults.html"),
		"where the report goes; one for a CI, in the form of JUnit's, and one in JSON go beside it")
	flag.BoolVar(&o.disarmed, "disarmed", false,
		"play the cases and break nothing: each has to say that its fault had no effect")
	flag.BoolVar(&o.list, "list", false, "list the cases and do nothing")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	limit := o.soak + runLimit
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the run took more than %s", limit))
	defer cancel()

	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1) //nolint:gocritic // exitAfterDefer: the deferred calls only release the signal and the timer
	}
}

func run(ctx context.Context, o options) error {
	if o.list {
		for _, c := range cases.All() {
			fmt.Printf("%-10s %-38s %s\n", c.From, c.Name, c.Title.EN)
		}
		return nil
	}
	if o.lanes < 1 || o.lanes > lanesMax {
		return fmt.Errorf("lanes %d: want 1 to %d", o.lanes, lanesMax)
	}

	all := cases.All()
	if o.names != "" {
		var err error
		if all, err = cases.Named(strings.Split(o.names, ",")...); err != nil {
			return err
		}
	}
	if o.from != "" {
		from := strings.Split(o.from, ",")
		for _, f := range from {
			if !slices.ContainsFunc(cases.All(), func(c cases.Case) bool { return c.From == f }) {
				return fmt.Errorf("-from %s: no case comes from there; want client, producer, broker, consumer or database",
					f)
			}
		}
		all = slices.DeleteFunc(all, func(c cases.Case) bool { return !slices.Contains(from, c.From) })
	}

	if o.disarmed {
		return disarmed(ctx, append([]cases.Case{cases.Unbroken()}, all...), o)
	}

	rows, err := play(ctx, all, o)
	report.Table(os.Stdout, rows)
	title, beside := fmt.Sprintf("Fault cases, seed %d", o.seed), strings.TrimSuffix(o.html,
		filepath.Ext(o.html))
	err = errors.Join(err, report.WriteHTML(o.html, title, rows),
		report.WriteJUnit(beside+".xml", title, rows), report.WriteJSON(beside+".json", title, rows))
	if err != nil {
		return err
	}

	fmt.Printf("report: %s, for a CI: %s.xml, for programs: %[2]s.json\n", o.html, beside)
	for _, r := range rows {
		if !r.OK() {
			return errors.New("not every case holds")
		}
	}
	return nil
}

// disarmed plays the cases without their faults. One that holds then would hold whatever the
// services do.
func disarmed(ctx context.Context, all []cases.Case, o options) error {
	rows, err := play(ctx, all, o)
	if seeing := report.Disarmed(os.Stdout, rows); err == nil && !seeing {
		err = errors.New("not every case sees that its fault is missing")
	}
	return err
}

func play(ctx context.Context, all []cases.Case, o options) ([]report.Row, error) {
	settings := cases.Options{
		Seed: o.seed, Lanes: o.lanes, Recovery: o.recovery, Log: os.Stderr, Disarmed: o.disarmed,
	}
	if o.soak > 0 {
		settings.Progress = report.NewProgress(os.Stdout, 1)
		defer settings.Progress.Close()
		row, err := cases.Soak(ctx, o.soak, settings)
		return []report.Row{row}, err
	}
	settings.Progress = report.NewProgress(os.Stdout, len(all))
	defer settings.Progress.Close()
	return cases.Run(ctx, all, settings)
}
