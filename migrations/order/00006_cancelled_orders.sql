-- +goose Up

-- A refund may give back a part of an order. refunded_minor is what has gone back so far, and
-- asked_minor the amount of the latest instruction. A refund may also follow a settle that has no
-- outcome yet: then the order is being cancelled, and cancelled_no is that settle's payment number.
--
-- An instance that does not know these columns leaves them as they are. That does no harm:
-- refunded_minor is 0 wherever such an instance may settle, and asked_minor, which is NULL in its
-- new rows, counts for refunds only. See 00003 for the form of the statement.
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

-- The amount of an outcome. NULL stands for the order's amount.
SET @payment_amounts = IF(
    (SELECT COUNT(*) FROM information_schema.COLUMNS
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'payments' AND COLUMN_NAME = 'amount_minor') > 0,
    'DO 0',
    'ALTER TABLE payments ADD COLUMN amount_minor BIGINT NULL');
PREPARE payment_amounts FROM @payment_amounts;
EXECUTE payment_amounts;
DEALLOCATE PREPARE payment_amounts;

-- Before this file, a refund that an operator discarded ended its order as failed. Such an order is
-- paid, and can be refunded again.
UPDATE orders o JOIN payments p ON p.payment_no = o.payment_no SET o.status = 'paid' WHERE o.status = 'failed' AND p.type = 'refund';
