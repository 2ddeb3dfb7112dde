-- +goose Up

-- What people have to be told, a row for each channel, written in the transaction that parks the message.
CREATE TABLE IF NOT EXISTS notifications (
    id          CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    parked_id   CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    channel     VARCHAR(16)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    body        TEXT          NOT NULL,
    attempts    INT           NOT NULL,
    next_try_at DATETIME(6)   NOT NULL, -- by the database's clock; who tells it moves it first, so that no other instance does
    last_error  VARCHAR(1024) NOT NULL,
    created_at  DATETIME(6)   NOT NULL,
    told_at     DATETIME(6)   NULL,
    PRIMARY KEY (id),
    UNIQUE KEY notifications_once (parked_id, channel),
    KEY notifications_due (channel, told_at, next_try_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- Who decided what about a parked message. Append only; a row is written in the transaction that did it.
CREATE TABLE IF NOT EXISTS parked_audit (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    parked_id  CHAR(36)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    operator   VARCHAR(128)    NOT NULL,
    action     VARCHAR(16)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    reason     VARCHAR(1024)   NOT NULL,
    state      VARCHAR(16)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- that the message has from then on
    created_at DATETIME(6)     NOT NULL,
    PRIMARY KEY (id),
    KEY parked_audit_by_message (parked_id, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
