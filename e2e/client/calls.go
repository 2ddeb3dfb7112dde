package client

import (
	"context"

	"settlement/shared/money"
)

// Order is an order as order-service shows it.
type Order struct {
	ID         string      `json:"id"`
	CustomerID string      `json:"customer_id"`
	AccountID  string      `json:"account_id"`
	Amount     money.Money `json:"amount"`
	Refunded   money.Money `json:"refunded"`
	Status     string      `json:"status"`
	PaymentNo  string      `json:"payment_no"`
	Reason     string      `json:"reason"`
	Seq        int64       `json:"seq"`
}

// Accepted is the answer to a settle or a refund.
type Accepted struct {
	OrderID   string `json:"order_id"`
	PaymentNo string `json:"payment_no"`
	Seq       int64  `json:"seq"`
	Status    string `json:"status"`
}

// Account is a wallet as payment-service shows it.
type Account struct {
	ID      string      `json:"id"`
	Balance money.Money `json:"balance"`
}

// Parked is a message that waits for an operator, or did.
type Parked struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	Reason   string `json:"reason"`
	OrderID  string `json:"order_id"`
	Attempts int    `json:"attempts"`
}

// CreateAccount opens a wallet.
func (c *Client) CreateAccount(
	ctx context.Context, key, owner string, currency money.Currency,
) (a Account, err error) {
	err = c.post(ctx, c.paymentURL+"/v1/accounts", key, map[string]any{"owner": owner, "currency": currency},
		&a)
	return a, err
}

// Deposit fills a wallet.
func (c *Client) Deposit(ctx context.Context, key, accountID string, amount money.Money) error {
	return c.post(ctx, c.paymentURL+"/v1/accounts/"+accountID+"/deposits", key,
		map[string]any{"amount": amount}, &struct{}{})
}

// Account reads a wallet.
func (c *Client) Account(ctx context.Context, id string) (a Account, err error) {
	err = c.get(ctx, c.paymentURL+"/v1/accounts/"+id, &a)
	return a, err
}

// CreateOrder places an order.
func (c *Client) CreateOrder(
	ctx context.Context, key, customerID, accountID string, amount money.Money,
) (o Order, err error) {
	err = c.post(ctx, c.orderURL+"/v1/orders", key, map[string]any{
		"customer_id": customerID, "account_id": accountID, "amount": amount, "description": "",
	}, &o)
	return o, err
}

// Order reads an order.
func (c *Client) Order(ctx context.Context, id string) (o Order, err error) {
	err = c.get(ctx, c.orderURL+"/v1/orders/"+id, &o)
	return o, err
}

// Customer collects points.
type Customer struct {
	ID        string `json:"id"`
	PointsSeq int64  `json:"points_seq"`
}

// Points are the points of a customer and their history, newest change first.
type Points struct {
	Points  int64 `json:"points"`
	Seq     int64 `json:"seq"`
	History []struct {
		Points int64 `json:"points"`
	} `json:"history"`
}

// Register makes a customer.
func (c *Client) Register(ctx context.Context, key, name string) (who Customer, err error) {
	err = c.post(ctx, c.orderURL+"/v1/customers", key, map[string]any{"name": name}, &who)
	return who, err
}

// Misconduct has points taken from a customer.
func (c *Client) Misconduct(ctx context.Context, key, customerID string) error {
	return c.post(ctx, c.orderURL+"/v1/customers/"+customerID+"/misconduct", key, struct{}{}, &struct{}{})
}

// Points reads the points of a customer.
func (c *Client) Points(ctx context.Context, customerID string) (p Points, err error) {
	err = c.get(ctx, c.paymentURL+"/v1/points/"+customerID, &p)
	return p, err
}

// Settle has an order settled.
func (c *Client) Settle(ctx context.Context, key, orderID string) (a Accepted, err error) {
	err = c.post(ctx, c.orderURL+"/v1/orders/"+orderID+"/settle", key, struct{}{}, &a)
	return a, err
}

// Refund asks for a refund of all that is left of a paid order, or cancels an order that is
// settling.
func (c *Client) Refund(ctx context.Context, key, orderID string) (a Accepted, err error) {
	err = c.post(ctx, c.orderURL+"/v1/orders/"+orderID+"/refund", key, struct{}{}, &a)
	return a, err
}

// RefundPart has an amount of a paid order refunded.
func (c *Client) RefundPart(
	ctx context.Context, key, orderID string, amount money.Money,
) (a Accepted, err error) {
	err = c.post(ctx, c.orderURL+"/v1/orders/"+orderID+"/refund", key, map[string]any{"amount": amount}, &a)
	return a, err
}

// ParkedIn lists up to 100 parked messages in a state, newest first.
func (c *Client) ParkedIn(ctx context.Context, state string) ([]Parked, error) {
	var page struct {
		Items []Parked `json:"items"`
	}
	err := c.get(ctx, c.paymentURL+"/v1/parked?limit=100&state="+state, &page)
	return page.Items, err
}

// Replay has a parked message settled.
func (c *Client) Replay(ctx context.Context, key, id string) (p Parked, err error) {
	err = c.post(ctx, c.paymentURL+"/v1/parked/"+id+"/replay", key, struct{}{}, &p)
	return p, err
}

// Discard gives a parked message up.
func (c *Client) Discard(ctx context.Context, key, id, reason string) (p Parked, err error) {
	err = c.post(ctx, c.paymentURL+"/v1/parked/"+id+"/discard", key, map[string]any{"reason": reason}, &p)
	return p, err
}
