// Package httpapi accepts settlements: it checks what a client asks, hands it to the store and
// answers as openapi.yaml says. One file holds one call.
package httpapi

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config oapi-codegen.yaml openapi.yaml

import (
	"log/slog"
	"net/http"

	"settlement/order-service/internal/customer"
	"settlement/order-service/internal/order"
	"settlement/order-service/internal/store"
	"settlement/shared/money"
	"settlement/shared/web"
)

// API answers the calls of openapi.yaml. Its methods are the handlers.
type API struct {
	web.Health
	store *store.Store
	log   *slog.Logger
}

// New makes the handler of the whole service, /healthz, /readyz and /metrics included.
func New(orders *store.Store, cfg web.Config) http.Handler {
	cfg.Query = map[string][]string{"GET /v1/orders": web.QueryOf(ListOrdersParams{})}
	engine := web.NewEngine(cfg)
	RegisterHandlersWithOptions(engine, &API{Health: web.NewHealth(cfg), store: orders, log: cfg.Logger},
		GinServerOptions{ErrorHandler: web.BadParameter})
	return engine
}

// orderPath is the path under which an order can be read. An answer about an order has it in
// Location.
func orderPath(id string) string { return "/v1/orders/" + id }

// customerPath is the path under which a customer can be read.
func customerPath(id string) string { return "/v1/customers/" + id }

func newCustomer(c customer.Customer) Customer {
	return Customer{ID: c.ID, Name: c.Name, PointsSeq: c.PointsSeq, CreatedAt: c.CreatedAt.UTC()}
}

func newOrder(o order.Order) Order {
	return Order{
		ID: o.ID, CustomerID: o.CustomerID, AccountID: o.AccountID, Amount: o.Amount,
		Description: o.Description,
		// A kept answer of a release before partial refunds has no currency.
		Refunded: money.Money{Currency: o.Amount.Currency, Minor: o.Refunded.Minor},
		Status:   OrderStatus(o.Status), PaymentNo: o.PaymentNo, Reason: o.Reason, Seq: o.Seq,
		CreatedAt: o.CreatedAt.UTC(), UpdatedAt: o.UpdatedAt.UTC(),
	}
}

func newAccepted(a order.Accepted) Accepted {
	return Accepted{OrderID: a.OrderID, PaymentNo: a.PaymentNo, Seq: a.Seq, Status: OrderStatus(a.Status)}
}
