-- +goose Up

-- A row knows its queue, so that each queue's rows are read by themselves. queue_id was computed
-- for a topic of that many queues. -1 of 0 is what an instance writes that does not know these
-- columns yet. The relay places such rows, and those that were computed for another count, before
-- it sends the rows behind them.
--
-- outbox_lanes finds the rows of one queue in the order of their ids, and the rows of a topic that
-- have to be placed.
--
-- One statement, made only once: a kill between it and the note that this file was applied must
-- not fail the next start.
SET @outbox_queues = IF(
    (SELECT COUNT(*) FROM information_schema.COLUMNS
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'outbox' AND COLUMN_NAME = 'queue_id') > 0,
    'DO 0',
    'ALTER TABLE outbox
        ADD COLUMN queue_id INT NOT NULL DEFAULT -1,
        ADD COLUMN queues   INT NOT NULL DEFAULT 0,
        ADD KEY outbox_lanes (topic, queues, queue_id, id)');
PREPARE outbox_queues FROM @outbox_queues;
EXECUTE outbox_queues;
DEALLOCATE PREPARE outbox_queues;
