-- +goose Up

-- The journal's end: the last place that was given, and the hash of the record there. One row. What was decided before
-- there was a journal, payment_numbers up to began_after, is not in it.
CREATE TABLE IF NOT EXISTS journal_head (
    id          TINYINT         NOT NULL,
    position    BIGINT          NOT NULL,
    hash        CHAR(64)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    began_after BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

INSERT INTO journal_head (id, position, hash, began_after)
SELECT 1, 0, REPEAT('0', 64), COALESCE(MAX(p.id), 0) FROM payment_numbers p
ON DUPLICATE KEY UPDATE journal_head.id = journal_head.id;

-- Decisions that have no place in the journal yet, written in the transaction that decided.
CREATE TABLE IF NOT EXISTS journal_pending (
    id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    payment_no  CHAR(36)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    record      BLOB            NOT NULL,
    traceparent VARCHAR(64)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at  DATETIME(6)     NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- Where the auditor goes on reading topic journal, whose queue 0 is all of it. One row.
CREATE TABLE IF NOT EXISTS audit_offset (
    id          TINYINT NOT NULL,
    next_offset BIGINT  NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

INSERT INTO audit_offset (id, next_offset) VALUES (1, 0) ON DUPLICATE KEY UPDATE id = id;

-- The auditor's copy of the journal, each body byte for byte.
CREATE TABLE IF NOT EXISTS audit_records (
    position     BIGINT   NOT NULL,
    payment_no   CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    queue_offset BIGINT   NOT NULL,
    body         BLOB     NOT NULL,
    hash         CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (position),
    KEY audit_records_by_payment (payment_no)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- Messages of the topic that are not part of the chain, and why.
CREATE TABLE IF NOT EXISTS audit_findings (
    queue_offset BIGINT        NOT NULL,
    what         VARCHAR(1024) NOT NULL,
    created_at   DATETIME(6)   NOT NULL,
    PRIMARY KEY (queue_offset)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
