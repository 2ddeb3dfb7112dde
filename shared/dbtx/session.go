package dbtx

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// session is what every session is set to, because the transactions rely on it and a server's
// defaults can differ. All servers have these variables. The waits and the read timeout are not
// among them: those of a migration differ, see limits.
var session = map[string]string{
	// 0: every statement outside of Run opens a transaction that is never ended
	"autocommit": "1",
	// CHAIN: COMMIT opens the next transaction, RELEASE: it ends the session
	"completion_type": "0",
	// Else what we send is taken for another encoding, and stored broken for good.
	"character_set_client": "utf8mb4",
	"collation_connection": "utf8mb4_general_ci", // sets character_set_connection too
	"time_zone":            "'+00:00'",           // NOW(6) is compared with times that were written in UTC
	"sql_mode":             "'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
	// 0: InnoDB may take a second row into a unique index, the payment number's included
	"unique_checks":          "1",
	"foreign_key_checks":     "1",
	"sql_safe_updates":       "0",                    // 1: refuses an UPDATE whose WHERE uses no index (1175)
	"sql_big_selects":        "1",                    // 0: refuses a join above max_join_size (1104)
	"sql_select_limit":       "18446744073709551615", // less: a SELECT leaves out rows without a word
	"default_storage_engine": "InnoDB",

	"character_set_results": "utf8mb4",
}

// optional are the variables that only some servers have.
var optional = map[string]string{
	// Under REPEATABLE READ a SELECT after a duplicate-key error may not see the row that caused
	// it.
	"transaction_isolation": "'READ-COMMITTED'",
	"tx_isolation":          "'READ-COMMITTED'", // its name in MariaDB before 11.1
	"transaction_read_only": "0",
	"tx_read_only":          "0",
	// MariaDB 11.8 has it ON by default: an UPDATE that scans then waits for locked rows that its
	// WHERE does not match.
	"innodb_snapshot_isolation": "OFF",
	"check_constraint_checks":   "1", // MariaDB
	// Our own limits end a statement that takes too long. The server's would end a migration in its
	// middle.
	"max_statement_time": "0", // MariaDB, seconds
	"max_execution_time": "0", // MySQL, milliseconds
}

// setUp sets those of the optional variables that the server has. It costs two round trips for each
// new connection, and none for a transaction.
func setUp(ctx context.Context, c mysqlConn) error {
	names, err := variables(ctx, c)
	if err != nil {
		return err
	}
	settings := make([]string, 0, len(names))
	for _, name := range names {
		settings = append(settings, name+" = "+optional[name])
	}
	_, err = c.ExecContext(ctx, "SET "+strings.Join(settings, ", "), nil)
	return err
}

// variables returns which of the optional variables the server has.
func variables(ctx context.Context, c mysqlConn) (names []string, err error) {
	asked := make([]string, 0, len(optional))
	for name := range optional {
		asked = append(asked, "'"+name+"'")
	}

	rows, err := c.QueryContext(ctx, "SHOW VARIABLES WHERE Variable_name IN ("+
		strings.Join(asked, ", ")+")", nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()

	row := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(row); errors.Is(err, io.EOF) {
			slices.Sort(names)
			return names, nil
		} else if err != nil {
			return nil, err
		}
		name := strings.ToLower(fmt.Sprintf("%s", row[0]))
		if _, known := optional[name]; known {
			names = append(names, name)
		}
	}
}
