-- +goose Up

-- One row, never deleted: the journal's end. position is that of the last record, and hash the
-- record's. Its lock lets one writer at a time append. What was decided before there was a journal
-- is not in it: the rows of payment_numbers up to the id began_after.
CREATE TABLE IF NOT EXISTS journal_head (
    id          TINYINT         NOT NULL,
    position    BIGINT          NOT NULL,
    hash        CHAR(64)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    began_after BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- The journal begins with what is decided from now on.
INSERT INTO journal_head (id, position, hash, began_after)
SELECT 1, 0, REPEAT('0', 64), COALESCE(MAX(p.id), 0) FROM payment_numbers p
ON DUPLICATE KEY UPDATE journal_head.id = journal_head.id;

-- A row is a decision that has no position in the journal yet, written in the transaction that
-- decided. The journal's writer takes rows in the order of their ids, and deletes exactly those
-- that it has appended, in the transaction that puts their records into the outbox.
CREATE TABLE IF NOT EXISTS journal_pending (
    id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    payment_no  CHAR(36)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    record      BLOB            NOT NULL,
    traceparent VARCHAR(64)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at  DATETIME(6)     NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- One row, never deleted: the offset at which the auditor goes on reading topic journal, whose
-- queue 0 is all of it. It moves in the transaction that keeps what was read, so that each message
-- is kept once.
CREATE TABLE IF NOT EXISTS audit_offset (
    id          TINYINT NOT NULL,
    next_offset BIGINT  NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

INSERT INTO audit_offset (id, next_offset) VALUES (1, 0) ON DUPLICATE KEY UPDATE id = id;

-- A row is a record of the auditor's copy of the journal. body is the message's, byte for byte.
-- Nobody deletes rows, except that an operator who says with which message the journal goes on
-- (--resume-at) has those from that position on replaced.
CREATE TABLE IF NOT EXISTS audit_records (
    position     BIGINT   NOT NULL,
    payment_no   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    queue_offset BIGINT   NOT NULL,
    body         BLOB     NOT NULL,
    hash         CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- No position is filled twice.
    PRIMARY KEY (position),
    -- The audit looks for payment numbers without a record, and with two.
    KEY audit_records_by_payment (payment_no)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- A row is a message of the topic that is not part of the chain, and why. Every audit tells of it
-- until an operator has looked at it and deletes the row. --resume-at deletes the rows from its
-- message on.
CREATE TABLE IF NOT EXISTS audit_findings (
    queue_offset BIGINT        NOT NULL,
    what         VARCHAR(1024) NOT NULL,
    created_at   DATETIME(6)   NOT NULL,
    PRIMARY KEY (queue_offset)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
