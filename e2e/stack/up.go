package stack

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"settlement/e2e/stack/compose"
	"settlement/e2e/stack/download"
	"settlement/e2e/stack/port"
	"settlement/e2e/stack/process"
	"settlement/e2e/stack/servers"
	"settlement/e2e/stack/service"
	"settlement/e2e/stack/workspace"
)

// LeaveUp starts a stack that goes on after this process, and writes where it is to .run/stack.env.
// If a stack is up already, it starts what has died of it, with its data. Data is kept over
// TakeDown. When LeaveUp fails or ctx is done, it stops what it has started.
func LeaveUp(ctx context.Context, o Options) error {
	o, err := o.complete()
	if err != nil {
		return err
	}
	w, err := workspace.Find(o.Log)
	if err != nil {
		return err
	}
	unlock, err := w.Lock(ctx, "up")
	if err != nil {
		return err
	}
	defer unlock()

	began := time.Now()
	wish, err := service.ConfigurationFromEnv()
	if err != nil {
		return err
	}
	st, err := readState(w)
	if err != nil {
		return err
	}

	// After a reboot, say, the ports may belong to other programs by now: choose anew.
	if st == nil || st.On == OnNative && len(st.living()) == 0 {
		if st, err = plan(ctx, w, o, wish); err != nil {
			return err
		}
	} else if err := st.sameAs(o, wish); err != nil {
		return err
	}

	addresses, started, err := st.leaveUp(ctx)
	if err != nil {
		return err
	}
	command, err := st.commandLine()
	if err != nil {
		return err
	}
	if err := writeEnv(w, addresses, command); err != nil {
		return err
	}

	if started {
		w.Say("up in %s", workspace.Since(began))
	} else {
		w.Say("already up")
	}
	st.tell(addresses)
	return nil
}

// commandLine returns the variables that the services' commands need beside the addresses; database
// and user are their defaults. DB_PASSWORD is payment-service's, which has more commands.
func (st *state) commandLine() (keyValues, error) {
	db := port.Loopback(st.Compose.MySQL)
	payments, orders := st.Settings.Payments.Password, st.Settings.Orders.Password
	var err error
	if st.On == OnCompose {
		if payments, err = compose.Secret(st.w, compose.PaymentsSecret); err != nil {
			return nil, err
		}
		orders, err = compose.Secret(st.w, compose.OrdersSecret)
	} else {
		db, err = st.Settings.Database.addr()
	}
	return keyValues{{"DB_ADDR", db}, {"DB_PASSWORD", payments}, {"ORDER_DB_PASSWORD", orders}}, err
}

// tell says where everything is.
func (st *state) tell(a Addresses) {
	st.w.Say("  order-service %s, payment-service %s", a.OrderURL, a.PaymentURL)
	st.w.Say("  addresses and passwords: .run/stack.env; for the command line: set -a; . .run/stack.env; .run/bin/payment-service parked list")
	if st.On == OnCompose {
		st.w.Say("  logs: docker compose logs; broker store: the volume broker-store; mqadmin: docker compose exec broker sh mqadmin")
		return
	}
	dir := filepath.Join(".run", "up", st.dataName())
	st.w.Say("  logs: %s/*.log; broker store: %s; mqadmin: .run/bin/mqadmin", filepath.Join(dir, "logs"),
		filepath.Join(dir, "broker", "store"))
}

// plan chooses what a stack that is not up yet runs on.
func plan(
	ctx context.Context, w *workspace.Workspace, o Options, wish service.Configuration,
) (*state, error) {
	if runsOnCompose(ctx, o) {
		st := newState(w, OnCompose)
		st.Compose = compose.Default()
		st.Compose.Config = wish
		return st, nil
	}
	st := newState(w, OnNative)
	var err error
	st.Settings, err = newSettings(o, "")
	st.Settings.Config = wish
	return st, err
}

// sameAs refuses a wish that the running stack does not fulfil. A setting that the wish does not
// name may be as it is.
func (st *state) sameAs(o Options, wish service.Configuration) error {
	if o.On != OnAuto && o.On != st.On {
		return fmt.Errorf("a stack is up on %s, not on %s: make down first", st.On, o.On)
	}
	if name := st.config().Differs(wish); name != "" {
		return fmt.Errorf("a stack is up with another %s: make down first", name) // its value can be a secret
	}

	if st.On == OnCompose {
		return nil
	}
	if has := st.Settings.RocketMQ.Version; o.RocketMQ != "" && o.RocketMQ != has {
		return fmt.Errorf("a stack is up with RocketMQ %s, not %s: make down first", has, o.RocketMQ)
	}

	if o.DB == "" {
		return nil
	}
	want, err := newDatabase(o.DB)
	if err != nil {
		return err
	}
	has := st.Settings.Database
	if want.Kind != has.Kind || want.Kind == "dsn" && want.Admin != has.Admin {
		return fmt.Errorf("a stack is up with another database (%s): make down first", has.Kind)
	}
	return nil
}

func (st *state) leaveUp(ctx context.Context) (a Addresses, started bool, err error) {
	if st.On == OnCompose {
		return st.leaveUpCompose(ctx)
	}
	return st.leaveUpNative(ctx)
}

func (st *state) leaveUpNative(ctx context.Context) (Addresses, bool, error) {
	addresses, err := st.Settings.addresses()
	if err != nil {
		return addresses, false, err
	}

	before := st.living()
	var mu sync.Mutex
	var fresh []*process.Process
	n := &native{settings: st.Settings, Set: &servers.Set{
		Workspace: st.w, Dir: st.w.Path("up", st.dataName()),
		Launch: func(p process.Program) (*process.Process, error) {
			run, err := process.StartDetached(p, st.record)
			if err == nil {
				mu.Lock()
				fresh = append(fresh, run)
				mu.Unlock()
			}
			return run, err
		},
	}}

	for _, p := range before {
		n.Add(p)
	}

	if err := st.save(); err != nil {
		return addresses, false, err
	}
	if err := n.boot(ctx); err != nil {
		err = errors.Join(err, servers.StopInOrder(st.w, fresh, st.config().StopGrace()))
		if len(before) == 0 {
			err = errors.Join(err, forget(st.w))
		}
		return addresses, false, err
	}

	if err := n.WriteMQAdmin(ctx, n.RocketMQ); err != nil {
		return addresses, false, err
	}
	return addresses, len(fresh) > 0, nil
}

// dataName is the directory of the stack's data. Each database server has its own, broker included:
// messages of one must not meet the tables of another, nor a release of the broker the store of
// another.
func (st *state) dataName() string {
	d := st.Settings.Database
	name := d.Kind
	if d.Kind == "dsn" {
		name = "dsn-" + workspace.ShortHash([]byte(d.Admin))
	}
	if version := st.Settings.RocketMQ.Version; version != download.RocketMQDefault {
		name += "-rocketmq-" + version
	}
	return name
}

// forget removes what says that a stack is up.
func forget(w *workspace.Workspace) error {
	return errors.Join(removeIfThere(envFile(w)), removeIfThere(statePath(w)))
}

// TakeDown stops the stack that LeaveUp started, and only its processes. When nothing is up it says
// so.
func TakeDown(ctx context.Context, o Options) error {
	o, err := o.complete()
	if err != nil {
		return err
	}
	w, err := workspace.Find(o.Log)
	if err != nil {
		return err
	}
	unlock, err := w.Lock(ctx, "up")
	if err != nil {
		return err
	}
	defer unlock()

	st, err := readState(w)
	if err != nil {
		return err
	}
	if st == nil {
		w.Say("nothing is up")
		return forget(w)
	}

	// The addresses go first, so that nobody takes them while the stack stops.
	if err := removeIfThere(envFile(w)); err != nil {
		return err
	}
	if st.On == OnCompose {
		err = st.takeDownCompose(ctx)
	} else {
		err = servers.StopInOrder(w, st.living(), st.config().StopGrace())
	}
	if err != nil {
		return fmt.Errorf("%w\nmake down can be run again", err)
	}

	w.Say("down; its data stays for the next make up")
	return forget(w)
}
