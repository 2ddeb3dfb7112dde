package dbtx

// Server error numbers that are used outside of the table, too.
const (
	errDuplicateKey       = 1062
	errUnknown            = 1105 // ER_UNKNOWN_ERROR: only its text says what is wrong
	errDuringCommit       = 1180
	errLockWait           = 1205
	errDeadlock           = 1213
	errRolledBackAtCommit = 3101
)

// classes is the class of each error number that is known here. Sources: MySQL 8.4 and 9 error
// reference, MariaDB 10.11 and 11.8 error codes. Where a number means different things, the comment
// names the server.
var classes = classTable(map[Class][]uint16{
	Conflict: {
		errDeadlock,           // also Galera's certification, at COMMIT and at any statement
		errLockWait,           // rolls back its statement only
		errRolledBackAtCommit, // group replication's certification
		1020,                  // MariaDB, innodb_snapshot_isolation: record has changed since last read
		1412, 1615,            // table definition has changed, statement needs to be prepared again
	},

	Transient: {
		// Too many: connections, a user's, an account's limit, threads, statements.
		1040, 1203, 1226, 1135, 1461,
		1047,                         // Galera: the node is not prepared for application use, also at BEGIN
		1053, 1079, 1317, 1927, 3169, // shutdown, killed: statement, connection (MariaDB), session (MySQL)
		3032, 3168, // offline mode, server not available (MySQL)
		// Read only: option, transaction, mode, table, InnoDB, InnoDB in forced recovery.
		1290, 1792, 1836, 1036, 1874, 1881,
		1223, // conflicting read lock
		3100, // group replication: its hook failed, as when the member has left
		// The disk: cannot lock, full, cannot write, table full, full at once (MySQL).
		1015, 1021, 1026, 1114, 3675,
		1004, 1023, 1024, 1030, // cannot create, close, read; storage engine's error
		1037, 1038, 1041, 3170, // memory
		// Connection blocked, aborted, or a packet lost on the way.
		1129, 1152, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1835,
		// COMMIT, ROLLBACK failed; locks, transactions, undo log full; NOWAIT
		errDuringCommit, 1181, 1206, 1637, 3019, 3572,
		1969, 3024, 4031, // statement time-out (MariaDB, MySQL), idle time-out (MySQL)
	},

	Refused: {
		errDuplicateKey, 1022, 1169, 1586, // duplicate key
		1048, 1263, 3673, // NULL
		1264, 1690, 1441, 1365, // out of range, date overflow, division by zero
		1265, 1406, 1118, 1197, // too long: value, value, row, transaction for the binary log
		// Value, time, string that cannot be taken as the column's type or character set.
		1292, 1299, 1300, 1366, 1367, 1411, 1525, 3854, 3988,
		3140, 3141, 3150, 3157, // JSON
		1216, 1217, 1451, 1452, // foreign key
		3819, 4025, 1369, // check: MySQL, MariaDB, of a view
		1642, 1643, 1644, // SIGNAL
		1153, 1162, 1301, // larger than max_allowed_packet
	},

	Systemic: {
		// Login: user, password, database, host, plugin, account (MySQL, MariaDB), TLS.
		1044, 1045, 1049, 1046, 1130, 1251, 1698, 1820, 1862, 3118, 3159, 4151,
		1095, 1142, 1143, 1227, 1370, // rights
		// No such table, column, index, routine; view or its definer gone.
		1051, 1109, 1146, 1054, 1176, 1305, 1356, 1449,
		1016, 1017, 1033, 1034, 1194, 1195, 1812, 1814, 1877, // table there and unusable
		1050, 1060, 1061, 1007, 1008, 1067, 1068, 1071, 1072, 1091, // DDL that does not fit what is there
		// Statement.
		1064, 1065, 1149, 1052, 1055, 1056, 1058, 1066, 1093, 1110, 1111, 1136, 1140, 1210, 1221, 1222, 1235,
		1241, 1242, 1248, 1318, 1390,
		1364, 1526, // no default: a column of another release; no partition
		1115, 1267, 1270, 1271, 1273, 1253, // character sets and collations
		1193, 1231, 1232, 1238, 1286, 1298, // variables and their values
		// Session: LOCK TABLES, max_join_size, sql_safe_updates, autocommit=0; thread_stack.
		1099, 1104, 1175, 1568, 1436,
		1173, 1785, 3098, 3750, // what replication asks of a table
		3057, // name of a user-level lock (MySQL)
	},
})

// classTable turns the lists around: it gives each number its class.
func classTable(lists map[Class][]uint16) map[uint16]Class {
	table := map[uint16]Class{}
	for class, numbers := range lists {
		for _, number := range numbers {
			table[number] = class
		}
	}
	return table
}

// elsewhere are the errors of a server that refuses a request which another server might take.
// After a failover the old primary must not keep the connection.
var elsewhere = map[uint16]bool{
	1047: true, 1290: true, 1792: true, 1836: true, 1874: true, 3032: true, 3100: true,
}

// retryCauses names the conflicts in the metrics.
var retryCauses = map[uint16]string{
	errDeadlock: "deadlock", errLockWait: "lock_wait", errRolledBackAtCommit: "certification",
	errDuringCommit: "certification",
	1020:            "record_changed", 1412: "table_changed", 1615: "table_changed",
}
