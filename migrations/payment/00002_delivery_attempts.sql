-- +goose Up

-- A row is a message that failed for a reason that is not known to pass, and how often. It is
-- counted here because the client's count is lost at a restart, and when a queue goes to another
-- consumer. The primary key is the message's number, so that the count of a copy does not begin
-- anew. Nobody deletes rows.
CREATE TABLE IF NOT EXISTS delivery_attempts (
    payment_no CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    order_id   CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    attempts   INT           NOT NULL,
    last_error VARCHAR(1024) NOT NULL,
    updated_at DATETIME(6)   NOT NULL,
    PRIMARY KEY (payment_no)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
