-- +goose Up

-- What customers have. last_seq is the fence: the last change that took effect.
CREATE TABLE IF NOT EXISTS points_balances (
    customer_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    points      BIGINT   NOT NULL,
    last_seq    BIGINT   NOT NULL,
    PRIMARY KEY (customer_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- Append only: every change that took effect, and what it came to.
CREATE TABLE IF NOT EXISTS points_history (
    customer_id CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    seq         BIGINT       NOT NULL,
    points_no   CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    type        VARCHAR(16)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    change_by   BIGINT       NOT NULL, -- set to, or added
    points      BIGINT       NOT NULL, -- after it
    reason      VARCHAR(255) NOT NULL,
    occurred_at DATETIME(6)  NOT NULL,
    created_at  DATETIME(6)  NOT NULL,
    PRIMARY KEY (customer_id, seq),
    UNIQUE KEY points_history_points_no (points_no)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- Changes that came before their predecessor.
CREATE TABLE IF NOT EXISTS points_waiting (
    customer_id CHAR(36)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    seq         BIGINT      NOT NULL,
    body        BLOB        NOT NULL,
    created_at  DATETIME(6) NOT NULL,
    PRIMARY KEY (customer_id, seq)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
