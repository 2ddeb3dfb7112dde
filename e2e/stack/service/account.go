package service

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Account is a service's database with the user that can reach only that.
type Account struct {
	Database string
	User     string
	Password string // of letters and digits, which SQL and a DSN take without quotes
}

// NewAccount names database and user alike. The suffix keeps runs on a shared server apart.
func NewAccount(name, suffix string) Account {
	return Account{Database: name + suffix, User: name + suffix, Password: rand.Text()}
}

// DSN returns a DSN for tests and people, who read what the service has written.
func (a Account) DSN(addr string) string {
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.Passwd, c.DBName, c.ParseTime = "tcp", addr, a.User, a.Password, a.Database, true
	return c.FormatDSN()
}

// CreateAccounts makes each account's database and user where missing and sets the password.
func CreateAccounts(ctx context.Context, adminDSN string, accounts ...Account) error {
	return withAdmin(adminDSN, func(db *sql.DB) error {
		for _, a := range accounts {
			for _, statement := range []string{
				fmt.Sprintf("CREATE DATABASE IF NOT EXISTS `%s` CHARACTER SET utf8mb4", a.Database),
				fmt.Sprintf("CREATE USER IF NOT EXISTS '%s'@'%%' IDENTIFIED BY '%s'", a.User, a.Password),
				fmt.Sprintf("ALTER USER '%s'@'%%' IDENTIFIED BY '%s'", a.User, a.Password),
				// In a grant an underscore stands for any character unless it is escaped.
				fmt.Sprintf("GRANT ALL ON `%s`.* TO '%s'@'%%'", strings.ReplaceAll(a.Database, "_", `\_`),
					a.User),
			} {
				if _, err := db.ExecContext(ctx, statement); err != nil {
					return fmt.Errorf("create database and user %s: %w", a.Database, err)
				}
			}
		}
		return nil
	})
}

// DropAccounts removes what CreateAccounts has made.
func DropAccounts(ctx context.Context, adminDSN string, accounts ...Account) error {
	return withAdmin(adminDSN, func(db *sql.DB) error {
		for _, a := range accounts {
			for _, statement := range []string{
				fmt.Sprintf("DROP DATABASE IF EXISTS `%s`", a.Database),
				fmt.Sprintf("DROP USER IF EXISTS '%s'@'%%'", a.User),
			} {
				if _, err := db.ExecContext(ctx, statement); err != nil {
					return fmt.Errorf("drop database and user %s: %w", a.Database, err)
				}
			}
		}
		return nil
	})
}

func withAdmin(dsn string, do func(*sql.DB) error) error {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return fmt.Errorf("open the database as administrator: %w", err)
	}
	defer db.Close()
	return do(db)
}
