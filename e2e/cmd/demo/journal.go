package main

import (
	"context"
	"fmt"
	"strings"

	"settlement/e2e/stack/service"
)

// audit has the auditor read the journal, which holds every decision in one sequence, and compare
// it with the books.
func (p *plan) audit(ctx context.Context) error {
	printed, err := p.stack.Service(service.Payment).Exec(ctx, "audit")
	if err != nil {
		return err
	}
	if _, err := fmt.Sscanf(printed, "records: %d,", &p.audited); err != nil {
		return fmt.Errorf("read what the auditor has printed: %w: %s", err, printed)
	}

	say("An auditor has read the journal, each record chained to the one before by its hash. It says:")
	for line := range strings.Lines(printed) {
		say("  %s", strings.TrimSpace(line))
	}
	return nil
}
