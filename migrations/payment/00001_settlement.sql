-- +goose Up

-- Every statement may run again: each commits by itself, and a kill between two of them
-- leaves a part of this file behind.

-- Wallets. The merchant and the outside world have no row: their balance is the sum of
-- their entries, because one row that every payment updates would serialise them all.
CREATE TABLE IF NOT EXISTS accounts (
    id            CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    owner         VARCHAR(128) NOT NULL,
    currency      CHAR(3)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    balance_minor BIGINT       NOT NULL,
    created_at    DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT accounts_not_negative CHECK (balance_minor >= 0)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- The dedup table. A row is a payment that succeeded or a decline that was recorded.
CREATE TABLE IF NOT EXISTS payment_numbers (
    id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    payment_no   CHAR(36)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    order_id     CHAR(36)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    seq          BIGINT          NOT NULL,
    type         VARCHAR(16)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    outcome      VARCHAR(16)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    reason       VARCHAR(255)    NOT NULL,
    account_id   CHAR(36)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    amount_minor BIGINT          NOT NULL,
    currency     CHAR(3)         CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at   DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY payment_numbers_payment_no (payment_no),
    UNIQUE KEY payment_numbers_by_order (order_id, seq)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- The fence: the last sequence of the order that took effect.
CREATE TABLE IF NOT EXISTS order_progress (
    order_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    last_seq BIGINT   NOT NULL,
    PRIMARY KEY (order_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- Append only. The rows of one payment number sum to zero.
CREATE TABLE IF NOT EXISTS entries (
    id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    payment_no   CHAR(36)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    account_id   CHAR(36)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    amount_minor BIGINT          NOT NULL,
    currency     CHAR(3)         CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    kind         VARCHAR(16)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at   DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY entries_once (payment_no, account_id),
    KEY entries_by_account (account_id, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- Messages that wait: for an operator (parked) or for their predecessor (waiting).
CREATE TABLE IF NOT EXISTS parked_messages (
    id             CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    state          VARCHAR(16)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    topic          VARCHAR(127)  NOT NULL,
    queue_id       INT           NOT NULL,
    queue_offset   BIGINT        NOT NULL,
    message_id     VARCHAR(64)   NOT NULL,
    payment_no     CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NULL,
    order_id       CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NULL,
    seq            BIGINT        NULL,
    payload        MEDIUMBLOB    NOT NULL,
    payload_sha256 CHAR(64)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    properties     TEXT          NOT NULL,
    reason         VARCHAR(1024) NOT NULL,
    attempts       INT           NOT NULL,
    resolution     VARCHAR(1024) NOT NULL,
    created_at     DATETIME(6)   NOT NULL,
    updated_at     DATETIME(6)   NOT NULL,
    PRIMARY KEY (id),
    -- The hash belongs to the key: a broker set up anew counts its offsets from 0 again.
    UNIQUE KEY parked_messages_delivery (topic, queue_id, queue_offset, payload_sha256),
    KEY parked_messages_by_order (order_id, state),
    KEY parked_messages_by_state (state, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

CREATE TABLE IF NOT EXISTS idempotency_keys (
    idem_key       VARCHAR(255)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    request_hash   CHAR(64)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    result         TEXT          NOT NULL,
    refusal_code   VARCHAR(64)   NOT NULL,
    refusal_detail VARCHAR(1024) NOT NULL,
    created_at     DATETIME(6)   NOT NULL,
    PRIMARY KEY (idem_key)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

CREATE TABLE IF NOT EXISTS outbox (
    id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    topic        VARCHAR(127)    NOT NULL,
    sharding_key VARCHAR(64)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    message_key  VARCHAR(64)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    tag          VARCHAR(32)     NOT NULL,
    traceparent  VARCHAR(64)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    body         BLOB            NOT NULL,
    created_at   DATETIME(6)     NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- One row: which instance's relay may send, and until when by the database's clock.
CREATE TABLE IF NOT EXISTS outbox_lease (
    id         TINYINT     NOT NULL,
    holder     VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    expires_at DATETIME(6) NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

INSERT INTO outbox_lease (id, holder, expires_at) VALUES (1, '', '2000-01-01 00:00:00') ON DUPLICATE KEY UPDATE id = id;
