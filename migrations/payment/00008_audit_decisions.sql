-- +goose Up

-- A row is an operator's decision that the auditor takes the message at queue_offset for the record
-- at position, and why. Append only: nobody changes or deletes rows.
CREATE TABLE IF NOT EXISTS audit_decisions (
    id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    queue_offset BIGINT          NOT NULL,
    position     BIGINT          NOT NULL,
    operator     VARCHAR(128)    NOT NULL,
    reason       VARCHAR(512)    NOT NULL,
    created_at   DATETIME(6)     NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
