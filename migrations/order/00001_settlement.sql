-- +goose Up

-- Every statement may run again: each commits by itself, and a kill between two of them
-- leaves a part of this file behind.

-- A row is an order with its status. seq is the sequence of its latest instruction, and payment_no
-- the payment number of that instruction. A change compares both status and seq, so that of two
-- changes of one order the second one fails. Nobody deletes rows.
CREATE TABLE IF NOT EXISTS orders (
    id           CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    customer_id  VARCHAR(64)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    account_id   CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    amount_minor BIGINT       NOT NULL,
    currency     CHAR(3)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    description  VARCHAR(255) NOT NULL,
    status       VARCHAR(16)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payment_no   CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NULL,
    reason       VARCHAR(255) NOT NULL,
    seq          BIGINT       NOT NULL,
    created_at   DATETIME(6)  NOT NULL,
    updated_at   DATETIME(6)  NOT NULL,
    PRIMARY KEY (id),
    -- The lists of one customer and of one status, newest first: ids ascend with time.
    KEY orders_by_customer (customer_id, id),
    KEY orders_by_status (status, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- Payment number to order: a row is an outcome that was applied. Nobody deletes rows.
CREATE TABLE IF NOT EXISTS payments (
    payment_no  CHAR(36)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    order_id    CHAR(36)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    type        VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    seq         BIGINT      NOT NULL,
    outcome     VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    occurred_at DATETIME(6) NOT NULL,
    -- The primary key prevents that an outcome that comes again is applied again. The other one
    -- prevents that two payment numbers are applied at one place of an order.
    PRIMARY KEY (payment_no),
    UNIQUE KEY payments_by_order (order_id, seq)
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
