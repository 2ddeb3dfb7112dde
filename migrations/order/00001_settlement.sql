-- +goose Up

-- Every statement may run again: each commits by itself, and a kill between two of them
-- leaves a part of this file behind.

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
    KEY orders_by_customer (customer_id, id),
    KEY orders_by_status (status, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- Payment number to order. A row is an outcome that was applied; the primary key is
-- what makes a second delivery of it change nothing.
CREATE TABLE IF NOT EXISTS payments (
    payment_no  CHAR(36)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    order_id    CHAR(36)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    type        VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    seq         BIGINT      NOT NULL,
    outcome     VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    occurred_at DATETIME(6) NOT NULL,
    PRIMARY KEY (payment_no),
    UNIQUE KEY payments_by_order (order_id, seq)
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
