-- +goose Up

-- Messages that wait: for an operator (parked) or for what comes before them (waiting). The same table as in the
-- payments database, as are the next three. payment_no and order_id are the message's business number and
-- ordering key.
CREATE TABLE IF NOT EXISTS parked_messages (
    id             CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    state          VARCHAR(16)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    cause          VARCHAR(16)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    topic          VARCHAR(127)  NOT NULL,
    broker         VARCHAR(128)  NOT NULL,
    queue_id       INT           NOT NULL,
    queue_offset   BIGINT        NOT NULL,
    message_id     VARCHAR(64)   NOT NULL,
    payment_no     CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NULL,
    order_id       CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NULL,
    seq            BIGINT        NULL,
    payload        MEDIUMBLOB    NOT NULL,
    payload_sha256 CHAR(64)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    properties     TEXT          NOT NULL,
    reason         VARCHAR(1024) NOT NULL,
    attempts       INT           NOT NULL,
    resolution     VARCHAR(1024) NOT NULL,
    created_at     DATETIME(6)   NOT NULL,
    updated_at     DATETIME(6)   NOT NULL,
    waits_since    DATETIME(6)   NOT NULL DEFAULT CURRENT_TIMESTAMP(6), -- these three by the database's clock
    next_try_at    DATETIME(6)   NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    told_at        DATETIME(6)   NULL,
    PRIMARY KEY (id),
    -- The hash belongs to the key: a broker set up anew counts its offsets from 0 again.
    UNIQUE KEY parked_messages_delivery (topic, broker, queue_id, queue_offset, payload_sha256),
    KEY parked_messages_by_order (order_id, state),
    KEY parked_messages_by_state (state, id),
    KEY parked_messages_to_try (state, next_try_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

CREATE TABLE IF NOT EXISTS delivery_attempts (
    payment_no CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    order_id   CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    attempts   INT           NOT NULL,
    last_error VARCHAR(1024) NOT NULL,
    updated_at DATETIME(6)   NOT NULL,
    PRIMARY KEY (payment_no)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

CREATE TABLE IF NOT EXISTS notifications (
    id          CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    parked_id   CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    type        VARCHAR(32)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    channel     VARCHAR(16)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    cause_key   VARCHAR(255)  NOT NULL,
    group_id    CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NULL,
    body        TEXT          NOT NULL,
    attempts    INT           NOT NULL,
    next_try_at DATETIME(6)   NOT NULL, -- by the database's clock; who tells it moves it first, so that no other instance does
    last_error  VARCHAR(1024) NOT NULL,
    created_at  DATETIME(6)   NOT NULL,
    told_at     DATETIME(6)   NULL,
    PRIMARY KEY (id),
    UNIQUE KEY notifications_once (parked_id, type, channel),
    KEY notifications_due (channel, told_at, next_try_at),
    KEY notifications_by_cause (channel, cause_key, told_at),
    KEY notifications_by_group (group_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

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
