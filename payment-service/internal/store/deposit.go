package store

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"settlement/payment-service/internal/payment"
	"settlement/shared/dbtx"
	"settlement/shared/idempotency"
	"settlement/shared/money"
	"settlement/shared/settlement"
)

// Codes of the refusals that are remembered under the idempotency key.
const (
	CodeCurrencyMismatch     = "currency_mismatch"
	CodeBalanceLimitExceeded = "balance_limit_exceeded"
)

// Deposit puts amount into a wallet. It returns payment.ErrAccountNotFound, or an
// *idempotency.Refusal with CodeCurrencyMismatch or CodeBalanceLimitExceeded.
func (s *Store) Deposit(
	ctx context.Context, req idempotency.Request, accountID string, amount money.Money,
) (payment.Deposit, error) {
	now := s.now()
	return idempotency.Run(ctx, s.pool, req, now, func(tx dbtx.Tx) (payment.Deposit, error) {
		account, err := lockAccount(tx, accountID)
		if err != nil {
			return payment.Deposit{}, err
		}

		after, err := account.Balance.Add(amount)
		if errors.Is(err, money.ErrCurrencyMismatch) {
			return payment.Deposit{}, &idempotency.Refusal{
				Code: CodeCurrencyMismatch,
				Detail: fmt.Sprintf("account %s holds %s, the deposit is in %s", accountID,
					account.Balance.Currency, amount.Currency),
			}
		}
		if err != nil || after.Minor > money.BalanceMaxMinor {
			return payment.Deposit{}, &idempotency.Refusal{
				Code: CodeBalanceLimitExceeded,
				Detail: fmt.Sprintf("account %s would hold more than %d minor units",
					accountID, money.BalanceMaxMinor),
			}
		}

		d := payment.Deposit{
			DepositNo: settlement.NewDepositNo(), AccountID: accountID, Amount: amount, Balance: after,
			CreatedAt: now,
		}
		rows := newEntryRows(payment.DepositEntries(d.DepositNo, accountID, amount, now))
		if err := tx.DB().Create(&rows).Error; err != nil {
			return payment.Deposit{}, fmt.Errorf("insert deposit entries: %w", err)
		}
		return d, updateBalances(tx, map[string]int64{accountID: amount.Minor})
	})
}

func lockAccount(tx dbtx.Tx, id string) (payment.Account, error) {
	var row accountRow
	err := tx.DB().Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Where("id = ?", id).
		Take(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return payment.Account{}, fmt.Errorf("%w: %s", payment.ErrAccountNotFound, id)
	}
	if err != nil {
		return payment.Account{}, fmt.Errorf("lock account %s: %w", id, err)
	}
	return row.account(), nil
}
