// Package httpapi is the HTTP API of payment-service: it opens and fills wallets, looks up
// payments, and lets an operator see and resolve kept messages. It answers as openapi.yaml says.
// One file holds one call.
package httpapi

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config oapi-codegen.yaml openapi.yaml

import (
	"net/http"

	"settlement/payment-service/internal/backlog"
	"settlement/payment-service/internal/payment"
	"settlement/payment-service/internal/store"
	"settlement/shared/operator"
	"settlement/shared/parking"
	"settlement/shared/web"
)

// API answers the calls of openapi.yaml. Its methods are the handlers.
type API struct {
	web.Health
	store     *store.Store
	parking   *parking.Lot
	decisions *operator.Decisions
	backlog   *backlog.Reader
}

// New makes the handler of the whole service, /healthz, /readyz and /metrics included.
func New(
	books *store.Store, lot *parking.Lot, decisions *operator.Decisions, reader *backlog.Reader,
	cfg web.Config,
) http.Handler {
	cfg.Query = map[string][]string{
		"GET /v1/accounts/:id/entries": web.QueryOf(ListEntriesParams{}),
		"GET /v1/points/:customer_id":  web.QueryOf(GetPointsParams{}),
		"GET /v1/parked":               web.QueryOf(ListParkedParams{}),
	}

	engine := web.NewEngine(cfg)
	api := &API{Health: web.NewHealth(cfg), store: books, parking: lot, decisions: decisions, backlog: reader}
	RegisterHandlersWithOptions(engine, api, GinServerOptions{ErrorHandler: web.BadParameter})
	return engine
}

func newAccount(a payment.Account) Account {
	return Account{
		ID: a.ID, Owner: a.Owner, Currency: a.Balance.Currency, Balance: a.Balance,
		CreatedAt: a.CreatedAt.UTC(),
	}
}

func newEntry(e payment.Entry) Entry {
	return Entry{
		ID:        int64(e.ID), //nolint:gosec // G115: an AUTO_INCREMENT value, far below 2^63
		PaymentNo: e.PaymentNo, AccountID: e.AccountID, Amount: e.Amount, Kind: EntryKind(e.Kind),
		CreatedAt: e.CreatedAt.UTC(),
	}
}
