package cases

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"settlement/e2e/checker"
	"settlement/e2e/faults"
	"settlement/shared/settlement"
)

// journal is sent by payment-service, and read by an auditor that has no group.
var journal = line{topic: settlement.TopicJournal, producer: paymentSide}

// auditTx is the statement by which the auditor's transactions are recognised.
const auditTx = "INSERT INTO `audit_records`"

// auditorKilled kills an auditor that follows the journal a number of times, in turn inside its
// transaction and right after its commit. The judge's own audit goes on from there.
func auditorKilled(ctx context.Context, p *Play) (int64, error) {
	const times = 6
	killed := int64(0)
	for n := range times {
		at := faults.AtStatement
		if n%2 == 1 {
			at = faults.AfterCommit
		}
		if err := p.followUntilKilled(ctx, at, &killed); err != nil && ctx.Err() == nil {
			p.violated(checker.Violation{
				Invariant: checker.All, What: "the auditor does not go on where it was killed",
				Row: err.Error(),
			})
			return int64(n), nil
		}
	}
	return times, p.had(killed, times, "auditors killed in a transaction that they had begun")
}

// followUntilKilled runs an auditor and kills it at a moment of one of its transactions, while the
// proxy holds the packet.
func (p *Play) followUntilKilled(ctx context.Context, at faults.SQLMoment, killed *int64) error {
	auditing, kill := context.WithTimeout(ctx, momentLimit)
	defer kill()

	ended := make(chan error, 1)
	die := newMoment(func() error {
		return p.power.Do(func() error {
			kill()
			err := <-ended
			*killed++
			return err
		})
	})

	p.Payment.DB.Add(&faults.SQLRule{
		Touching: auditTx, At: at, Skip: p.draw.IntN(3), Limit: 1, Do: faults.Cut, Then: die.then,
	})
	go func() {
		printed, err := p.Payment.Service.Exec(auditing, "audit", "--follow")
		if strings.Contains(printed, "BREAK") {
			err = fmt.Errorf("the auditor finds something broken: %s", printed)
		} else if auditing.Err() != nil {
			err = nil
		} else {
			err = errors.Join(errors.New("the auditor ended by itself"), err)
		}
		ended <- err
	}()

	return die.wait(ctx)
}
