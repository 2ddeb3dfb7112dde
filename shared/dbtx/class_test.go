package dbtx_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/prometheus/client_golang/prometheus"
	"gorm.io/gorm"

	"settlement/e2e/stack/testdb"
	"settlement/shared/dbtx"
)

// numbers is the class of each server error number, written a second time and by name. Names: MySQL
// 8.4's error reference; MariaDB's where MySQL has none.
var numbers = map[dbtx.Class]map[uint16]string{
	dbtx.Conflict: {
		1020: "ER_CHECKREAD", 1205: "ER_LOCK_WAIT_TIMEOUT", 1213: "ER_LOCK_DEADLOCK",
		1412: "ER_TABLE_DEF_CHANGED", 1615: "ER_NEED_REPREPARE",
		3101: "ER_TRANSACTION_ROLLBACK_DURING_COMMIT",
	},
	dbtx.Transient: {
		1004: "ER_CANT_CREATE_FILE", 1015: "ER_CANT_LOCK", 1021: "ER_DISK_FULL", 1023: "ER_ERROR_ON_CLOSE",
		1024: "ER_ERROR_ON_READ",
		1026: "ER_ERROR_ON_WRITE", 1030: "ER_GET_ERRNO", 1036: "ER_OPEN_AS_READONLY", 1037: "ER_OUTOFMEMORY",
		1038: "ER_OUT_OF_SORTMEMORY",
		1040: "ER_CON_COUNT_ERROR", 1041: "ER_OUT_OF_RESOURCES", 1047: "ER_UNKNOWN_COM_ERROR",
		1053: "ER_SERVER_SHUTDOWN",
		1079: "ER_SHUTDOWN_COMPLETE", 1114: "ER_RECORD_FILE_FULL", 1129: "ER_HOST_IS_BLOCKED",
		1135: "ER_CANT_CREATE_THREAD",
		1152: "ER_ABORTING_CONNECTION", 1154: "ER_NET_READ_ERROR_FROM_PIPE", 1155: "ER_NET_FCNTL_ERROR",
		1156: "ER_NET_PACKETS_OUT_OF_ORDER",
		1157: "ER_NET_UNCOMPRESS_ERROR", 1158: "ER_NET_READ_ERROR", 1159: "ER_NET_READ_INTERRUPTED",
		1160: "ER_NET_ERROR_ON_WRITE",
		1161: "ER_NET_WRITE_INTERRUPTED", 1180: "ER_ERROR_DURING_COMMIT", 1181: "ER_ERROR_DURING_ROLLBACK",
		1184: "ER_NEW_ABORTING_CONNECTION",
		1203: "ER_TOO_MANY_USER_CONNECTIONS", 1206: "ER_LOCK_TABLE_FULL",
		1223: "ER_CANT_UPDATE_WITH_READLOCK", 1226: "ER_USER_LIMIT_REACHED",
		1290: "ER_OPTION_PREVENTS_STATEMENT", 1317: "ER_QUERY_INTERRUPTED",
		1461: "ER_MAX_PREPARED_STMT_COUNT_REACHED",
		1637: "ER_TOO_MANY_CONCURRENT_TRXS", 1792: "ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION",
		1835: "ER_MALFORMED_PACKET",
		1836: "ER_READ_ONLY_MODE", 1874: "ER_INNODB_READ_ONLY", 1881: "ER_INNODB_FORCED_RECOVERY",
		1927: "ER_CONNECTION_KILLED",
		1969: "ER_STATEMENT_TIMEOUT", 3019: "ER_INNODB_UNDO_LOG_FULL", 3024: "ER_QUERY_TIMEOUT",
		3032: "ER_SERVER_OFFLINE_MODE",
		3100: "ER_RUN_HOOK_ERROR", 3168: "ER_SERVER_ISNT_AVAILABLE", 3169: "ER_SESSION_WAS_KILLED",
		3170: "ER_CAPACITY_EXCEEDED",
		3572: "ER_LOCK_NOWAIT", 3675: "ER_DISK_FULL_NOWAIT", 4031: "ER_CLIENT_INTERACTION_TIMEOUT",
	},
	dbtx.Refused: {
		1022: "ER_DUP_KEY", 1048: "ER_BAD_NULL_ERROR", 1062: "ER_DUP_ENTRY", 1118: "ER_TOO_BIG_ROWSIZE",
		1153: "ER_NET_PACKET_TOO_LARGE",
		1162: "ER_TOO_LONG_STRING", 1169: "ER_DUP_UNIQUE", 1197: "ER_TRANS_CACHE_FULL",
		1216: "ER_NO_REFERENCED_ROW", 1217: "ER_ROW_IS_REFERENCED",
		1263: "ER_WARN_NULL_TO_NOTNULL", 1264: "ER_WARN_DATA_OUT_OF_RANGE", 1265: "WARN_DATA_TRUNCATED",
		1292: "ER_TRUNCATED_WRONG_VALUE",
		1299: "ER_WARN_INVALID_TIMESTAMP", 1300: "ER_INVALID_CHARACTER_STRING",
		1301: "ER_WARN_ALLOWED_PACKET_OVERFLOWED",
		1365: "ER_DIVISION_BY_ZERO", 1366: "ER_TRUNCATED_WRONG_VALUE_FOR_FIELD",
		1367: "ER_ILLEGAL_VALUE_FOR_TYPE", 1369: "ER_VIEW_CHECK_FAILED",
		1406: "ER_DATA_TOO_LONG", 1411: "ER_WRONG_VALUE_FOR_TYPE", 1441: "ER_DATETIME_FUNCTION_OVERFLOW",
		1451: "ER_ROW_IS_REFERENCED_2",
		1452: "ER_NO_REFERENCED_ROW_2", 1525: "ER_WRONG_VALUE", 1586: "ER_DUP_ENTRY_WITH_KEY_NAME",
		1642: "ER_SIGNAL_WARN",
		1643: "ER_SIGNAL_NOT_FOUND", 1644: "ER_SIGNAL_EXCEPTION", 1690: "ER_DATA_OUT_OF_RANGE",
		3140: "ER_INVALID_JSON_TEXT",
		3141: "ER_INVALID_JSON_TEXT_IN_PARAM", 3150: "ER_JSON_VALUE_TOO_BIG",
		3157: "ER_JSON_DOCUMENT_TOO_DEEP",
		3673: "ER_BAD_NULL_ERROR_NOT_IGNORED", 3819: "ER_CHECK_CONSTRAINT_VIOLATED",
		3854: "ER_CANNOT_CONVERT_STRING",
		3988: "ER_IMPOSSIBLE_STRING_CONVERSION", 4025: "ER_CONSTRAINT_FAILED",
	},
	dbtx.Systemic: {
		1007: "ER_DB_CREATE_EXISTS", 1008: "ER_DB_DROP_EXISTS", 1016: "ER_CANT_OPEN_FILE",
		1017: "ER_FILE_NOT_FOUND", 1033: "ER_NOT_FORM_FILE",
		1034: "ER_NOT_KEYFILE", 1044: "ER_DBACCESS_DENIED_ERROR", 1045: "ER_ACCESS_DENIED_ERROR",
		1046: "ER_NO_DB_ERROR", 1049: "ER_BAD_DB_ERROR",
		1050: "ER_TABLE_EXISTS_ERROR", 1051: "ER_BAD_TABLE_ERROR", 1052: "ER_NON_UNIQ_ERROR",
		1054: "ER_BAD_FIELD_ERROR",
		1055: "ER_WRONG_FIELD_WITH_GROUP", 1056: "ER_WRONG_GROUP_FIELD", 1058: "ER_WRONG_VALUE_COUNT",
		1060: "ER_DUP_FIELDNAME",
		1061: "ER_DUP_KEYNAME", 1064: "ER_PARSE_ERROR", 1065: "ER_EMPTY_QUERY", 1066: "ER_NONUNIQ_TABLE",
		1067: "ER_INVALID_DEFAULT",
		1068: "ER_MULTIPLE_PRI_KEY", 1071: "ER_TOO_LONG_KEY", 1072: "ER_KEY_COLUMN_DOES_NOT_EXIST",
		1091: "ER_CANT_DROP_FIELD_OR_KEY",
		1093: "ER_UPDATE_TABLE_USED", 1095: "ER_KILL_DENIED_ERROR", 1099: "ER_TABLE_NOT_LOCKED_FOR_WRITE",
		1104: "ER_TOO_BIG_SELECT",
		1109: "ER_UNKNOWN_TABLE", 1110: "ER_FIELD_SPECIFIED_TWICE", 1111: "ER_INVALID_GROUP_FUNC_USE",
		1115: "ER_UNKNOWN_CHARACTER_SET",
		1130: "ER_HOST_NOT_PRIVILEGED", 1136: "ER_WRONG_VALUE_COUNT_ON_ROW",
		1140: "ER_MIX_OF_GROUP_FUNC_AND_FIELDS",
		1142: "ER_TABLEACCESS_DENIED_ERROR", 1143: "ER_COLUMNACCESS_DENIED_ERROR", 1146: "ER_NO_SUCH_TABLE",
		1149: "ER_SYNTAX_ERROR",
		1173: "ER_REQUIRES_PRIMARY_KEY", 1175: "ER_UPDATE_WITHOUT_KEY_IN_SAFE_MODE",
		1176: "ER_KEY_DOES_NOT_EXIST",
		1193: "ER_UNKNOWN_SYSTEM_VARIABLE", 1194: "ER_CRASHED_ON_USAGE", 1195: "ER_CRASHED_ON_REPAIR",
		1210: "ER_WRONG_ARGUMENTS",
		1221: "ER_WRONG_USAGE", 1222: "ER_WRONG_NUMBER_OF_COLUMNS_IN_SELECT",
		1227: "ER_SPECIFIC_ACCESS_DENIED_ERROR",
		1231: "ER_WRONG_VALUE_FOR_VAR", 1232: "ER_WRONG_TYPE_FOR_VAR", 1235: "ER_NOT_SUPPORTED_YET",
		1238: "ER_INCORRECT_GLOBAL_LOCAL_VAR",
		1241: "ER_OPERAND_COLUMNS", 1242: "ER_SUBQUERY_NO_1_ROW", 1248: "ER_DERIVED_MUST_HAVE_ALIAS",
		1251: "ER_NOT_SUPPORTED_AUTH_MODE",
		1253: "ER_COLLATION_CHARSET_MISMATCH", 1267: "ER_CANT_AGGREGATE_2COLLATIONS",
		1270: "ER_CANT_AGGREGATE_3COLLATIONS",
		1271: "ER_CANT_AGGREGATE_NCOLLATIONS", 1273: "ER_UNKNOWN_COLLATION",
		1286: "ER_UNKNOWN_STORAGE_ENGINE", 1298: "ER_UNKNOWN_TIME_ZONE",
		1305: "ER_SP_DOES_NOT_EXIST", 1318: "ER_SP_WRONG_NO_OF_ARGS", 1356: "ER_VIEW_INVALID",
		1364: "ER_NO_DEFAULT_FOR_FIELD",
		1370: "ER_PROCACCESS_DENIED_ERROR", 1390: "ER_PS_MANY_PARAM", 1436: "ER_STACK_OVERRUN_NEED_MORE",
		1449: "ER_NO_SUCH_USER",
		1526: "ER_NO_PARTITION_FOR_GIVEN_VALUE", 1568: "ER_CANT_CHANGE_TX_CHARACTERISTICS",
		1698: "ER_ACCESS_DENIED_NO_PASSWORD_ERROR",
		1785: "ER_GTID_UNSAFE_NON_TRANSACTIONAL_TABLE", 1812: "ER_TABLESPACE_MISSING",
		1814: "ER_TABLESPACE_DISCARDED",
		1820: "ER_MUST_CHANGE_PASSWORD", 1862: "ER_MUST_CHANGE_PASSWORD_LOGIN", 1877: "ER_TABLE_CORRUPT",
		3057: "ER_USER_LOCK_WRONG_NAME",
		3098: "ER_BEFORE_DML_VALIDATION_ERROR", 3118: "ER_ACCOUNT_HAS_BEEN_LOCKED",
		3159: "ER_SECURE_TRANSPORT_REQUIRED",
		3750: "ER_TABLE_WITHOUT_PK", 4151: "ER_ACCOUNT_HAS_BEEN_LOCKED (MariaDB)",
	},
}

func TestEveryNumberHasItsClass(t *testing.T) {
	known := map[uint16]bool{}
	for class, names := range numbers {
		for number, name := range names {
			known[number] = true
			err := fmt.Errorf("insert: %w", &mysql.MySQLError{Number: number, Message: name})
			if got := dbtx.Classify(err); got != class {
				t.Errorf("%d %s is %s, want %s", number, name, got, class)
			}
			if transient := class == dbtx.Conflict ||
				class == dbtx.Transient; dbtx.IsTransient(err) != transient ||
				dbtx.MayPass(err) != transient {
				t.Errorf("%d %s: transient: %t, may pass: %t, want %t",
					number, name, dbtx.IsTransient(err), dbtx.MayPass(err), transient)
			}
		}
	}

	for _, number := range dbtx.Numbers() {
		if !known[number] {
			t.Errorf("%d is classified, and not named here", number)
		}
	}

	unheard := &mysql.MySQLError{Number: 65000, Message: "of a server to come"}
	if dbtx.Classify(unheard) != dbtx.Unclassified || dbtx.IsTransient(unheard) || !dbtx.MayPass(unheard) {
		t.Errorf("%v is %s, want it unclassified; a start waits for it, a message is not excused by it",
			unheard, dbtx.Classify(unheard))
	}
}

func TestEveryConflictIsRunAgain(t *testing.T) {
	testdb.EachEmpty(t, func(t *testing.T, db testdb.Database) {
		conflicts := slices.Sorted(maps.Keys(numbers[dbtx.Conflict]))
		messages := map[uint16]string{
			1180: "Got error 149 - 'Lock deadlock; Retry transaction' during COMMIT",
		}

		for _, number := range append(conflicts, 1180) {
			runs := 0
			err := db.Pool.Run(t.Context(), func(dbtx.Tx) error {
				if runs++; runs == 1 {
					return &mysql.MySQLError{Number: number, Message: messages[number]}
				}
				return nil
			})
			if err != nil || runs != 2 {
				t.Errorf("%d: %d runs, error %v; want it run again at once", number, runs, err)
			}
		}
	})
}

func TestErrorsThatNoServerAnswered(t *testing.T) {
	cases := []struct {
		err  error
		want dbtx.Class
	}{
		{nil, dbtx.Other},
		{errors.New("a rule was broken"), dbtx.Other},
		{gorm.ErrRecordNotFound, dbtx.Other},
		{sql.ErrNoRows, dbtx.Other},
		{dbtx.Again("test", errors.New("a rival was first")), dbtx.Conflict},
		{dbtx.ErrCommitUnknown, dbtx.Transient},
		{fmt.Errorf("%w: %w", dbtx.ErrCommitUnknown, &mysql.MySQLError{Number: 1064}), dbtx.Transient},
		{&mysql.MySQLError{
			Number: 1180, Message: "Got error 149 - 'Lock deadlock; Retry transaction' during COMMIT",
		}, dbtx.Conflict},
		{
			&mysql.MySQLError{
				Number: 1180, Message: "Got error 28 - 'No space left on device' during COMMIT",
			}, dbtx.Transient,
		},
		{&mysql.MySQLError{Number: 1105, Message: "a storage engine's own words"}, dbtx.Unclassified},
		{driver.ErrBadConn, dbtx.Transient},
		{mysql.ErrInvalidConn, dbtx.Transient},
		{mysql.ErrMalformPkt, dbtx.Transient},
		{sql.ErrConnDone, dbtx.Transient},
		{sql.ErrTxDone, dbtx.Transient},
		{context.DeadlineExceeded, dbtx.Transient},
		{context.Canceled, dbtx.Transient},
		{io.ErrUnexpectedEOF, dbtx.Transient},
		{&net.OpError{Op: "dial", Err: errors.New("connection refused")}, dbtx.Transient},
		{mysql.ErrPktTooLarge, dbtx.Refused},
		{mysql.ErrUnknownPlugin, dbtx.Systemic},
	}

	for _, c := range cases {
		err := c.err
		if err != nil {
			err = fmt.Errorf("store: %w", err)
		}
		if got := dbtx.Classify(err); got != c.want {
			t.Errorf("%v is %s, want %s", err, got, c.want)
		}
	}
}

// Errors of real servers have their class, and are counted.
func TestErrorsOfRealServers(t *testing.T) {
	testdb.EachEmpty(t, func(t *testing.T, db testdb.Database) {
		registry := prometheus.NewRegistry()
		pool, err := dbtx.Open(db.Config, registry)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		if err := pool.Read(t.Context()).
			Exec("CREATE TABLE picky (id INT PRIMARY KEY, short VARCHAR(3) NOT NULL, at DATETIME(6))").
			Error; err != nil {
			t.Fatal(err)
		}

		cases := []struct {
			statement string
			class     dbtx.Class
			number    string
		}{
			{"INSERT INTO picky VALUES (1, 'long', NULL)", dbtx.Refused, "1406"},
			{"INSERT INTO picky VALUES (99999999999, 'a', NULL)", dbtx.Refused, "1264"},
			{"INSERT INTO picky VALUES (1, NULL, NULL)", dbtx.Refused, "1048"},
			{"INSERT INTO picky VALUES (1, 'a', '10000-01-01 00:00:00')", dbtx.Refused, "1292"},
			{"INSERT INTO picky VALUES (1, 'a', NULL), (1, 'b', NULL)", dbtx.Refused, "1062"},
			{"INSERT INTO picky (id) VALUES (1)", dbtx.Systemic, "1364"},
			{"SELECT * FROM nowhere", dbtx.Systemic, "1146"},
			{"SELECT nothing FROM picky", dbtx.Systemic, "1054"},
			{"SELEKT 1", dbtx.Systemic, "1064"},
		}

		for _, c := range cases {
			err := pool.Run(t.Context(), func(tx dbtx.Tx) error { return tx.DB().Exec(c.statement).Error })
			if got := dbtx.Classify(err); got != c.class {
				t.Errorf("%s: %v is %s, want %s", c.statement, err, got, c.class)
			}
			if n := counted(t, registry, c.class.String(), c.number); n != 1 {
				t.Errorf("%s: counted %v times as %s %s, want once", c.statement, n, c.class, c.number)
			}
		}
	})
}

// Such a value must not be sent: the server could cut the connection instead of answering, and that
// looks like an error after which the value could be sent again.
func TestWhatIsLargerThanMaxAllowedPacketIsRefused(t *testing.T) {
	testdb.EachOwn(t, []string{"--max-allowed-packet=1M"}, func(t *testing.T, db testdb.Database) {
		for _, value := range []any{make([]byte, 4<<20), strings.Repeat("x", 4<<20)} {
			err := db.Pool.Run(t.Context(),
				func(tx dbtx.Tx) error { return tx.DB().Exec("SELECT ?", value).Error })
			if dbtx.Classify(err) != dbtx.Refused {
				t.Errorf("4 MiB of %T: %v is %s, want it refused", value, err, dbtx.Classify(err))
			}
		}
	})
}

// counted is db_errors_total of a class and number.
func counted(t *testing.T, registry *prometheus.Registry, class, number string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}

	for _, family := range families {
		if family.GetName() != "db_errors_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if labels["class"] == class && labels["number"] == number {
				return metric.GetCounter().GetValue()
			}
		}
	}
	return 0
}
