// Package cases breaks a running stack on purpose, in every way that settling over a message queue
// can be broken, and has the checker decide afterwards whether anything was lost or doubled. A case
// is in a file whose name begins with where the repeat or the loss comes from: client, producer,
// broker, consumer, database.
package cases

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Where a repeat or a loss comes from.
const (
	fromClient   = "client"
	fromProducer = "producer"
	fromBroker   = "broker"
	fromConsumer = "consumer"
	fromDatabase = "database"
)

// Case is one fault.
type Case struct {
	Name  string   // as in make faults CASE=name
	From  string   // where the repeat or the loss comes from
	Title Text     // what goes wrong, in one sentence
	Then  Text     // what happens, so that nothing is lost or doubled
	Tests []string // Go tests that show it too, each as file:name from the repository's root

	// run lets the fault happen while customers buy, ends it, and returns how many times it
	// happened. World.heal repairs afterwards what run leaves dead, frozen or in the way. run has
	// to see the fault's effect from outside, or it returns an error: see came, had and showing.
	// All that breaks something obeys World's switch.
	run func(ctx context.Context, p *Play) (fired int64, err error) // nil: nothing is to be broken
	// alone ends the stack after the case, because of what the case leaves in it. A soak never
	// plays such a case.
	alone bool
	// strangers has customers buy who have no account of points, so that topic points is silent.
	strangers bool
	// bin builds the case's own services into dir; nil: the usual ones.
	bin func(ctx context.Context, dir string) error
}

// All returns every case, in the order in which a report lists them.
func All() []Case {
	return slices.Concat(clientCases, producerCases, brokerCases, consumerCases, databaseCases)
}

// Unbroken is the case without a fault: customers buy, and nothing may be found.
func Unbroken() Case {
	return Case{Name: "nothing-broken", From: "nobody", Title: Text{EN: "Nothing is broken.", ZH: "什么都没坏。"}}
}

// Named returns the cases with these names, in the order of All.
func Named(names ...string) ([]Case, error) {
	var found []Case
	missing := slices.Clone(names)
	for _, c := range All() {
		if slices.Contains(names, c.Name) {
			found = append(found, c)
			missing = slices.DeleteFunc(missing, func(name string) bool { return name == c.Name })
		}
	}

	if len(missing) > 0 {
		var known []string
		for _, c := range All() {
			known = append(known, c.Name)
		}
		return nil, fmt.Errorf("no case %s; there are: %s", strings.Join(missing, ", "),
			strings.Join(known, " "))
	}
	return found, nil
}
