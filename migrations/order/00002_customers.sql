-- +goose Up

-- A row is a customer who collects points. points_seq is the sequence of the latest change of them
-- that was published. A change locks the row, so that no two get one sequence. Nobody deletes rows.
CREATE TABLE IF NOT EXISTS customers (
    id         CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    name       VARCHAR(128) NOT NULL,
    points_seq BIGINT       NOT NULL,
    created_at DATETIME(6)  NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
