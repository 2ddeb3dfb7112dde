-- +goose Up

-- A row is a customer's points. last_seq is the fence: the sequence of the last change that took
-- effect. The primary key stops the second of two writers who begin a customer at the same time.
-- Nobody deletes rows.
CREATE TABLE IF NOT EXISTS points_balances (
    customer_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    points      BIGINT   NOT NULL,
    last_seq    BIGINT   NOT NULL,
    PRIMARY KEY (customer_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- A row is a change that took effect, and the points after it. Append only: nobody changes or
-- deletes rows.
CREATE TABLE IF NOT EXISTS points_history (
    customer_id CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    seq         BIGINT       NOT NULL,
    points_no   CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    type        VARCHAR(16)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    change_by   BIGINT       NOT NULL, -- set to, or added
    points      BIGINT       NOT NULL, -- after it
    reason      VARCHAR(255) NOT NULL,
    occurred_at DATETIME(6)  NOT NULL,
    created_at  DATETIME(6)  NOT NULL,
    -- No place in a customer's sequence is filled by two changes.
    PRIMARY KEY (customer_id, seq),
    -- No change takes effect twice.
    UNIQUE KEY points_history_points_no (points_no)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- A row is a change that came before its predecessor. 00007 moves the rows to parked_messages and
-- drops this table.
CREATE TABLE IF NOT EXISTS points_waiting (
    customer_id CHAR(36)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    seq         BIGINT      NOT NULL,
    body        BLOB        NOT NULL,
    created_at  DATETIME(6) NOT NULL,
    PRIMARY KEY (customer_id, seq)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
