-- +goose Up

-- Who collects points. points_seq is the sequence of the latest change of them that was published.
CREATE TABLE IF NOT EXISTS customers (
    id         CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    name       VARCHAR(128) NOT NULL,
    points_seq BIGINT       NOT NULL,
    created_at DATETIME(6)  NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
