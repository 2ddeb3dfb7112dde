package audit

import (
	"context"
	"fmt"
)

const (
	// walletRows is how many wallets are read at once.
	walletRows = 100
	// walletEntries is how many entries of a wallet one query covers: the driver waits 10 s for an
	// answer, and one wallet can have millions.
	walletEntries = 20_000
)

// balance is a wallet at one moment. Entries are written under the lock of their wallet's row, and
// are only ever added. So the balance came from the entries up to LastEntry, and those stay as they
// are.
type balance struct {
	ID        string
	Minor     int64
	LastEntry uint64
}

// wallets compares each balance with the sum of its entries.
func (a *Auditor) wallets(ctx context.Context) (breaks []string, err error) {
	for after := ""; ; {
		var page []balance
		err := a.pool.Read(ctx).Raw("SELECT a.id, a.balance_minor AS minor,"+
			" COALESCE((SELECT MAX(e.id) FROM entries e WHERE e.account_id = a.id), 0) AS last_entry"+
			" FROM accounts a WHERE a.id > ? ORDER BY a.id LIMIT ?", after, walletRows).Scan(&page).Error
		if err != nil {
			return breaks, fmt.Errorf("audit accounts after %q: %w", after, err)
		}

		for _, b := range page {
			sum, err := a.sumOfEntries(ctx, b)
			if err != nil {
				return breaks, fmt.Errorf("audit the entries of wallet %s: %w", b.ID, err)
			}
			if sum != b.Minor {
				breaks = append(breaks,
					fmt.Sprintf("accounts: the balance of wallet %s is not the sum of its entries", b.ID))
			}
		}

		if len(page) < walletRows {
			return breaks, nil
		}
		after = page[len(page)-1].ID
	}
}

// sumOfEntries adds up the entries that a balance came from, page by page.
func (a *Auditor) sumOfEntries(ctx context.Context, b balance) (sum int64, err error) {
	for after := uint64(0); ; {
		var page struct {
			Sum     int64
			Entries int
			Last    uint64
		}

		err := a.pool.Read(ctx).Raw("SELECT COALESCE(SUM(p.amount_minor), 0) AS sum, COUNT(*) AS entries,"+
			" COALESCE(MAX(p.id), 0) AS last"+
			" FROM (SELECT id, amount_minor FROM entries FORCE INDEX (entries_by_account)"+
			" WHERE account_id = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?) AS p", b.ID, after,
			b.LastEntry, walletEntries).Scan(&page).Error
		if err != nil {
			return 0, err
		}

		sum += page.Sum
		if page.Entries < walletEntries {
			return sum, nil
		}
		after = page.Last
	}
}
