-- +goose Up

-- A row is an instruction that was accepted and has no outcome yet. What stays here for long is
-- sent again, under the same payment number. The transaction that applies the outcome deletes the
-- row, so the table is as small as what is under way. The primary key gives each instruction one
-- row.
CREATE TABLE IF NOT EXISTS unanswered_instructions (
    payment_no   CHAR(36)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    order_id     CHAR(36)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    seq          BIGINT      NOT NULL,
    type         VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    account_id   CHAR(36)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    amount_minor BIGINT      NOT NULL,
    currency     CHAR(3)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    requested_at DATETIME(6) NOT NULL,
    traceparent  VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    sends        INT         NOT NULL, -- the first is the acceptance's
    next_send_at DATETIME(6) NOT NULL, -- by the database's clock
    PRIMARY KEY (payment_no),
    -- The instructions that are due to be sent again.
    KEY unanswered_by_time (next_send_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- Orders that had an instruction under way before this table was there.
INSERT INTO unanswered_instructions (payment_no, order_id, seq, type, account_id, amount_minor, currency, requested_at, traceparent, sends, next_send_at)
SELECT o.payment_no, o.id, o.seq, IF(o.status = 'refunding', 'refund', 'settle'), o.account_id, o.amount_minor, o.currency,
    o.updated_at, '', 1, NOW(6)
FROM orders o WHERE o.status IN ('settling', 'refunding') AND o.payment_no IS NOT NULL
ON DUPLICATE KEY UPDATE unanswered_instructions.payment_no = unanswered_instructions.payment_no;
