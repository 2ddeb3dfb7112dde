-- +goose Up

-- How often an instruction could not be settled for a reason that is not the database's own. Counted here because
-- the client's own count is lost at a restart and when a queue goes to another consumer.
CREATE TABLE IF NOT EXISTS delivery_attempts (
    payment_no CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    order_id   CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    attempts   INT           NOT NULL,
    last_error VARCHAR(1024) NOT NULL,
    updated_at DATETIME(6)   NOT NULL,
    PRIMARY KEY (payment_no)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
