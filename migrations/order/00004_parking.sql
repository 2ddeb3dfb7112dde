-- +goose Up

-- The four tables of this file are the same as in the payments database.

-- A row is a message that waits or has waited: for an operator (state parked) or for what comes
-- before it (waiting). payment_no and order_id are the message's business number and ordering key,
-- NULL where it cannot be read. A message that was resolved keeps its row, in its last state.
-- Nobody deletes rows.
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
    -- These three are by the database's clock.
    waits_since    DATETIME(6)   NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    next_try_at    DATETIME(6)   NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    told_at        DATETIME(6)   NULL,
    PRIMARY KEY (id),
    -- A delivery that comes again after it was kept is not kept twice. The hash belongs to the key:
    -- a broker set up anew counts its offsets from 0 again.
    UNIQUE KEY parked_messages_delivery (topic, broker, queue_id, queue_offset, payload_sha256),
    -- What is kept of one order or customer: a batch reads it before it decides, a list shows it.
    KEY parked_messages_by_order (order_id, state),
    -- The list of one state, newest first.
    KEY parked_messages_by_state (state, id),
    -- The messages that wait and are due to be looked at again.
    KEY parked_messages_to_try (state, next_try_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- A row is a message that failed for a reason that is not known to pass, and how often. It is
-- counted here because the client's count is lost at a restart. The primary key is the message's
-- number, so that the count of a copy does not begin anew. Nobody deletes rows.
CREATE TABLE IF NOT EXISTS delivery_attempts (
    payment_no CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    order_id   CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    attempts   INT           NOT NULL,
    last_error VARCHAR(1024) NOT NULL,
    updated_at DATETIME(6)   NOT NULL,
    PRIMARY KEY (payment_no)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- A row is a notice that people have to be told over one channel, written in the transaction that
-- gives cause for it, as when a message is parked. told_at is when the channel took it. Notices of
-- one cause are told as one: group_id is the id of the one that speaks for the group. Nobody
-- deletes rows.
CREATE TABLE IF NOT EXISTS notifications (
    id          CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    parked_id   CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    type        VARCHAR(32)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    channel     VARCHAR(16)   CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    cause_key   VARCHAR(255)  NOT NULL,
    group_id    CHAR(36)      CHARACTER SET ascii COLLATE ascii_bin NULL,
    body        TEXT          NOT NULL,
    attempts    INT           NOT NULL,
    -- By the database's clock. Who tells a notice moves this on first, so that no other instance
    -- tells it too.
    next_try_at DATETIME(6)   NOT NULL,
    last_error  VARCHAR(1024) NOT NULL,
    created_at  DATETIME(6)   NOT NULL,
    told_at     DATETIME(6)   NULL,
    PRIMARY KEY (id),
    -- A message that gives cause for the same notice again has one row: the row is told anew.
    UNIQUE KEY notifications_once (parked_id, type, channel),
    -- The notices of a channel that are due.
    KEY notifications_due (channel, told_at, next_try_at),
    -- Those of one cause that were not told yet or were told just now, and the members of a group.
    KEY notifications_by_cause (channel, cause_key, told_at),
    KEY notifications_by_group (group_id)
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
