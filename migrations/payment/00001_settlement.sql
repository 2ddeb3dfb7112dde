-- +goose Up

-- Every statement may run again: each commits by itself, and a kill between two of them
-- leaves a part of this file behind.

-- A row is a wallet. The merchant and the outside world have none: their balance is the sum of
-- their entries, because one row that every payment updates would let only one payment at a time
-- through. Nobody deletes rows. The constraint keeps every wallet from going below zero, whatever
-- the program does.
CREATE TABLE IF NOT EXISTS accounts (
    id            CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    owner         VARCHAR(128) NOT NULL,
    currency      CHAR(3)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    balance_minor BIGINT       NOT NULL,
    created_at    DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT accounts_not_negative CHECK (balance_minor >= 0)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- The dedup table. A row is what was decided under a payment number: paid, refunded, declined or
-- given up. Nobody changes or deletes rows: without its row, a repeat would not be known as one.
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
    -- No number is decided twice, whoever decides at the same time.
    UNIQUE KEY payment_numbers_payment_no (payment_no),
    -- No place of an order is filled by two numbers.
    UNIQUE KEY payment_numbers_by_order (order_id, seq)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- The fence. A row is the last sequence of an order that took effect. Writers of one order take
-- its lock one after the other. While an order has no row to lock, the primary key stops the second
-- of two writers that begin it at the same time. Nobody deletes rows.
CREATE TABLE IF NOT EXISTS order_progress (
    order_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    last_seq BIGINT   NOT NULL,
    PRIMARY KEY (order_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- A row is half of a movement of money. The rows of one payment number sum to zero. Append only:
-- nobody changes or deletes rows.
CREATE TABLE IF NOT EXISTS entries (
    id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    payment_no   CHAR(36)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    account_id   CHAR(36)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    amount_minor BIGINT          NOT NULL,
    currency     CHAR(3)         CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    kind         VARCHAR(16)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at   DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    -- No payment number moves an account twice.
    UNIQUE KEY entries_once (payment_no, account_id),
    -- The entries of one account by age, for its list and for the audit's sum.
    KEY entries_by_account (account_id, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- A row is a message that waits or has waited: for an operator (state parked) or for its
-- predecessor (waiting). payment_no and order_id are NULL where the message cannot be read. A
-- message that was resolved keeps its row, in its last state. Nobody deletes rows. See 00007 for
-- what was added.
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
    -- A delivery that comes again after it was kept is not kept twice. The hash belongs to the key:
    -- a broker set up anew counts its offsets from 0 again.
    UNIQUE KEY parked_messages_delivery (topic, queue_id, queue_offset, payload_sha256),
    -- What is kept of one order or customer: a batch reads it before it decides, a list shows it.
    KEY parked_messages_by_order (order_id, state),
    -- The list of one state, newest first.
    KEY parked_messages_by_state (state, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- A row is an Idempotency-Key of a client, with the hash of its request and the answer: a result
-- or a refusal. The primary key lets a request that comes again find the answer, and does not let
-- it make the change a second time. Nobody deletes rows: archiving them is an operator's job.
CREATE TABLE IF NOT EXISTS idempotency_keys (
    idem_key       VARCHAR(255)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    request_hash   CHAR(64)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    result         TEXT          NOT NULL,
    refusal_code   VARCHAR(64)   NOT NULL,
    refusal_detail VARCHAR(1024) NOT NULL,
    created_at     DATETIME(6)   NOT NULL,
    PRIMARY KEY (idem_key)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- A row is a message that is to be sent, written in the transaction that it reports. The relay
-- sends it, and deletes exactly the rows that the broker confirmed. No key prevents that a message
-- is sent twice: whoever receives it knows its number.
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

-- One row, inserted here and never deleted: which instance's relay may send, and until when by the
-- database's clock.
CREATE TABLE IF NOT EXISTS outbox_lease (
    id         TINYINT     NOT NULL,
    holder     VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    expires_at DATETIME(6) NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

INSERT INTO outbox_lease (id, holder, expires_at) VALUES (1, '', '2000-01-01 00:00:00') ON DUPLICATE KEY UPDATE id = id;
