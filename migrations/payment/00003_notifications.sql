-- +goose Up

-- A row is a notice that people have to be told over one channel, written in the transaction that
-- gives cause for it, as when a message is parked. told_at is when the channel took it. Nobody
-- deletes rows. See 00007 for what was added.
CREATE TABLE IF NOT EXISTS notifications (
    id          CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    parked_id   CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    channel     VARCHAR(16)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    body        TEXT          NOT NULL,
    attempts    INT           NOT NULL,
    -- By the database's clock. Who tells a notice moves this on first, so that no other instance
    -- tells it too.
    next_try_at DATETIME(6)   NOT NULL,
    last_error  VARCHAR(1024) NOT NULL,
    created_at  DATETIME(6)   NOT NULL,
    told_at     DATETIME(6)   NULL,
    PRIMARY KEY (id),
    -- A message that gives cause for a notice again has one row: the row is told anew.
    UNIQUE KEY notifications_once (parked_id, channel),
    -- The notices of a channel that are due.
    KEY notifications_due (channel, told_at, next_try_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- A row is what an operator did to a parked message, and why, written in the transaction that did
-- it. Append only: nobody changes or deletes rows.
CREATE TABLE IF NOT EXISTS parked_audit (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    parked_id  CHAR(36)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    operator   VARCHAR(128)    NOT NULL,
    action     VARCHAR(16)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    reason     VARCHAR(1024)   NOT NULL,
    -- The state that the message has from then on.
    state      VARCHAR(16)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    -- What was done to one message, oldest first.
    KEY parked_audit_by_message (parked_id, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
