package cases

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"

	"github.com/go-sql-driver/mysql"

	"settlement/e2e/checker"
	"settlement/e2e/faults"
	"settlement/e2e/receiver"
	"settlement/e2e/stack"
	"settlement/e2e/stack/service"
	"settlement/e2e/traffic"
	"settlement/shared/rocketmq"
)

// World is a stack with a proxy on every line between a service and its servers. The checks from
// outside go past the proxies.
type World struct {
	*stack.Stack
	Order, Payment *Side
	Notices        *receiver.Receiver // takes the services' notices about parked messages

	// By topic: what it held before it was lost, made anew or expired.
	gone        map[string][]traffic.Message
	known       map[life]bool // the messages in gone
	journalLost bool          // the broker has lost the journal that the auditor goes on from
	// Keys of outcomes that cases have reported in payment-service's name.
	forged map[string]bool

	admin  *rocketmq.Admin
	power  *faults.Switch // of every fault
	sides  []*Side        // of all instances that were ever started
	check  *checker.Checker
	orders *sql.DB
	books  *sql.DB
}

// Side is a service with its own two proxies.
type Side struct {
	Service *service.Service
	MQ      *faults.RocketMQ
	DB      *faults.MySQL
}

// openWorld starts a stack of its own, whose faults obey power. bin is a directory with the
// services' binaries; empty: they are built.
func openWorld(ctx context.Context, bin string, power *faults.Switch, log io.Writer) (*World, error) {
	notices, err := receiver.New()
	if err != nil {
		return nil, err
	}

	w := &World{
		Notices: notices, power: power, gone: map[string][]traffic.Message{}, known: map[life]bool{},
		forged: map[string]bool{},
	}
	sides := map[string]*Side{}
	w.Stack, err = stack.Up(ctx, stack.Options{
		On: stack.OnNative, Bin: bin, Log: log,
		Env: func(a stack.Addresses) (map[string]map[string]string, error) { //nolint:contextcheck // a proxy lives until it is closed
			env := map[string]map[string]string{}
			for _, name := range []string{service.Order, service.Payment} {
				side, err := w.newSide(a)
				if err != nil {
					return nil, err
				}
				sides[name], env[name] = side, side.env(notices)
			}
			return env, nil
		},
	})
	if err != nil {
		notices.Close()
		return nil, err
	}

	w.Order, w.Payment = sides[service.Order], sides[service.Payment]
	w.Order.Service, w.Payment.Service = w.Service(service.Order), w.Service(service.Payment)

	if w.admin, err = rocketmq.NewAdmin(w.NamesrvAddr); err == nil {
		w.check, err = checker.Open(w.OrderDSN, w.PaymentDSN)
	}
	if err == nil {
		w.orders, err = sql.Open("mysql", w.OrderDSN)
	}
	if err == nil {
		w.books, err = sql.Open("mysql", w.PaymentDSN)
	}
	if err != nil {
		return nil, errors.Join(err, w.Close(context.WithoutCancel(ctx)))
	}
	return w, nil
}

// close ends the stack, whatever state it is in.
func (w *World) close(ctx context.Context) error {
	w.check.Close()
	w.Notices.Close()
	_, _ = w.orders.Close(), w.books.Close() // a case may have killed their server under them
	return errors.Join(
		w.admin.Close(), w.Close(context.WithoutCancel(ctx)), w.Order.close(), w.Payment.close(),
	)
}

func (w *World) newSide(a stack.Addresses) (*Side, error) {
	c, err := mysql.ParseDSN(a.OrderDSN) // both databases are on one server
	if err != nil {
		return nil, err
	}
	s := &Side{}
	if s.MQ, err = faults.NewRocketMQ(a.NamesrvAddr, a.BrokerAddr); err != nil {
		return nil, err
	}
	if s.DB, err = faults.NewMySQL(c.Addr); err != nil {
		return nil, errors.Join(err, s.MQ.Close())
	}

	s.MQ.Obey(w.power)
	s.DB.Obey(w.power)
	if len(w.sides) > 0 {
		s.MQ.CountWith(w.sides[0].MQ)
	}
	w.sides = append(w.sides, s)
	return s, nil
}

// env returns the variables that name a service's proxies and the receiver of its notices.
func (s *Side) env(notices *receiver.Receiver) map[string]string {
	return map[string]string{
		"NAMESRV_ADDR": s.MQ.NamesrvAddr(), "DB_ADDR": s.DB.Addr(), "WEBHOOK_URL": notices.URL,
		"WEBHOOK_SECRET": notices.Secret,
	}
}

func (s *Side) clear() {
	s.MQ.Clear()
	s.DB.Clear()
}

func (s *Side) close() error { return errors.Join(s.MQ.Close(), s.DB.Close()) }

// another starts a further instance of a service behind proxies of its own, and returns when it is
// ready.
func (w *World) another(ctx context.Context, name string, env map[string]string) (*Side, error) {
	s, err := w.newSide(w.Addresses) //nolint:contextcheck // a proxy lives until it is closed
	if err != nil {
		return nil, err
	}
	all := s.env(w.Notices)
	maps.Copy(all, env)
	if s.Service, err = w.StartService(ctx, name, all); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// heal ends every fault: rules and weather go, what is frozen or dead runs again.
func (w *World) heal(ctx context.Context) error {
	w.Order.clear()
	w.Payment.clear()
	w.Notices.Down(false)

	for _, name := range []string{stack.Database, stack.Namesrv, stack.Broker} {
		server, err := w.Server(name)
		if err != nil {
			return err
		}
		if err := server.Resume(); err != nil {
			return err
		}
		if err := server.Start(ctx); err != nil {
			return fmt.Errorf("heal: %w", err)
		}
	}

	for _, side := range []*Side{w.Order, w.Payment} {
		if err := side.Service.Resume(); err != nil {
			return err
		}
		if !side.Service.Running() {
			if err := side.Service.Start(ctx); err != nil {
				return err
			}
		}
	}
	return errors.Join(w.Order.Service.WaitReady(ctx), w.Payment.Service.WaitReady(ctx))
}

// count asks a database for one number.
func count(ctx context.Context, db *sql.DB, query string, args ...any) (n int64, err error) {
	if err := db.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("%s: %w", query, err)
	}
	return n, nil
}
