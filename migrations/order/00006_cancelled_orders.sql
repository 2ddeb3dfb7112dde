-- +goose Up

-- What has gone back of an order that is paid, and what its latest instruction is of: refunds may be of a part. A refund may
-- follow a settle that has no outcome yet, which cancelled_no is the payment number of. An instance that does not know these
-- columns leaves them as they are: refunded_minor is 0 wherever it may settle, and asked_minor, NULL in its new rows, counts
-- for refunds only. See 00003 for the form.
SET @cancelled_orders = IF(
    (SELECT COUNT(*) FROM information_schema.COLUMNS
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'orders' AND COLUMN_NAME = 'refunded_minor') > 0,
    'DO 0',
    'ALTER TABLE orders
        ADD COLUMN refunded_minor BIGINT NOT NULL DEFAULT 0,
        ADD COLUMN asked_minor    BIGINT NULL,
        ADD COLUMN cancelled_no   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL');
PREPARE cancelled_orders FROM @cancelled_orders;
EXECUTE cancelled_orders;
DEALLOCATE PREPARE cancelled_orders;

-- What an outcome is of; NULL is the order's amount.
SET @payment_amounts = IF(
    (SELECT COUNT(*) FROM information_schema.COLUMNS
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'payments' AND COLUMN_NAME = 'amount_minor') > 0,
    'DO 0',
    'ALTER TABLE payments ADD COLUMN amount_minor BIGINT NULL');
PREPARE payment_amounts FROM @payment_amounts;
EXECUTE payment_amounts;
DEALLOCATE PREPARE payment_amounts;

-- A refund that an operator gave up was the end of its order. It is paid, and can be refunded again.
UPDATE orders o JOIN payments p ON p.payment_no = o.payment_no SET o.status = 'paid' WHERE o.status = 'failed' AND p.type = 'refund';
