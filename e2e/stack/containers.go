package stack

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"settlement/e2e/stack/compose"
	"settlement/e2e/stack/download"
	"settlement/e2e/stack/port"
	"settlement/e2e/stack/service"
	"settlement/e2e/stack/workspace"
)

// runsOnCompose decides between containers and processes. Containers have one database server only.
func runsOnCompose(ctx context.Context, o Options) bool {
	if o.On != OnAuto {
		return o.On == OnCompose
	}
	return o.composeHas() && compose.Answers(ctx)
}

// composeHas says that docker-compose.yml has the servers that were chosen.
func (o Options) composeHas() bool {
	return (o.DB == "" || o.DB == "mysql") && (o.RocketMQ == "" || o.RocketMQ == download.RocketMQDefault)
}

func upCompose(ctx context.Context, w *workspace.Workspace, o Options) (*Stack, error) {
	if !o.composeHas() {
		return nil, errors.New("DB and ROCKETMQ choose the servers of a native stack; docker-compose.yml has its own: unset them or take STACK=native")
	}
	run, err := w.NewRun(ctx, "compose")
	if err != nil {
		return nil, err
	}

	project := "settlement-" + strings.ToLower(filepath.Base(run.Dir))
	settings, err := compose.Own(project)
	if err != nil {
		return nil, errors.Join(err, run.Release())
	}
	c := compose.New(w, settings)
	c.Release = run.Release

	err = run.OwnProject(project)
	if err == nil {
		err = c.Up(ctx)
	}
	var addresses Addresses
	if err == nil {
		addresses, err = composeAddresses(w, settings)
	}
	if err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		return nil, errors.Join(err, c.Close(cleanup))
	}
	return newStack(OnCompose, "mysql", addresses, c), nil
}

func (st *state) leaveUpCompose(ctx context.Context) (Addresses, bool, error) {
	c := compose.New(st.w, st.Compose)
	// Docker is asked before anything is recorded: a stack that was never started need not be taken
	// down.
	if !compose.Answers(ctx) {
		return Addresses{}, false, compose.ErrAway
	}

	if err := st.save(); err != nil {
		return Addresses{}, false, err
	}
	if err := c.Up(ctx); err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if err2 := c.Down(cleanup); err2 != nil {
			return Addresses{}, false, errors.Join(err, err2) // still recorded, for make down
		}
		return Addresses{}, false, errors.Join(err, forget(st.w))
	}

	if err := service.Build(ctx, st.w); err != nil { // the command line runs out here too
		return Addresses{}, false, err
	}

	addresses, err := composeAddresses(st.w, st.Compose)
	return addresses, true, err
}

// takeDownCompose removes the containers. Where Docker has gone, it cannot tell us of any container
// of ours, and a record that could not be removed would keep every later start from its work.
func (st *state) takeDownCompose(ctx context.Context) error {
	err := compose.New(st.w, st.Compose).Down(ctx)
	if err != nil && !compose.Answers(ctx) {
		st.w.Say("%v: should containers be left when it is back, 'docker compose down' removes them",
			compose.ErrAway)
		return nil
	}
	return err
}

// composeAddresses are where the project can be reached.
func composeAddresses(w *workspace.Workspace, c compose.Settings) (Addresses, error) {
	dsn := func(name, file string) (string, error) {
		password, err := compose.Secret(w, file)
		a := service.Account{Database: name, User: name, Password: password}
		return a.DSN(port.Loopback(c.MySQL)), err
	}

	orders, err := dsn("orders", compose.OrdersSecret)
	if err != nil {
		return Addresses{}, err
	}
	payments, err := dsn("payments", compose.PaymentsSecret)
	return Addresses{
		OrderURL: "http://" + port.Loopback(c.Order), PaymentURL: "http://" + port.Loopback(c.Payment),
		NamesrvAddr: port.Loopback(c.Namesrv), BrokerAddr: port.Loopback(c.Broker),
		OrderDSN: orders, PaymentDSN: payments,
	}, err
}
