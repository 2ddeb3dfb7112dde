-- +goose Up

-- payment_no and order_id of parked_messages and delivery_attempts are a message's business number
-- and ordering key, whatever its topic: of topic points, the points_no and the customer's id.

-- Every statement may run again: each commits by itself, and a kill between two of them leaves a
-- part of this file behind. MySQL has no ADD COLUMN IF NOT EXISTS, so each ALTER asks for its first
-- column.

-- cause is why a message waits. waits_since, next_try_at and told_at are by the database's clock.
-- parked_messages_delivery now tells brokers apart, which each count their offsets from 0.
-- parked_messages_to_try finds the messages that wait and are due to be looked at again.
SET @change = (SELECT IF(COUNT(*) = 0, "ALTER TABLE parked_messages
    ADD COLUMN cause       VARCHAR(16)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'poison',
    ADD COLUMN broker      VARCHAR(128) NOT NULL DEFAULT '',
    ADD COLUMN waits_since DATETIME(6)  NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    ADD COLUMN next_try_at DATETIME(6)  NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    ADD COLUMN told_at     DATETIME(6)  NULL,
    DROP KEY parked_messages_delivery,
    ADD UNIQUE KEY parked_messages_delivery (topic, broker, queue_id, queue_offset, payload_sha256),
    ADD KEY parked_messages_to_try (state, next_try_at)", 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'parked_messages' AND column_name = 'cause');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;

-- What was kept before there was a cause.
UPDATE parked_messages SET cause = 'ahead' WHERE state = 'waiting';
UPDATE parked_messages SET cause = 'failed' WHERE state = 'parked' AND order_id IS NOT NULL;

-- type is what is told. Notices of one cause_key are told as one, and group_id is the id of the one
-- that speaks for the group. notifications_once gives a message one row for each type and channel.
-- notifications_by_cause finds the notices of one cause that were not told yet or were told just
-- now, notifications_by_group the members of a group.
SET @change = (SELECT IF(COUNT(*) = 0, "ALTER TABLE notifications
    ADD COLUMN type      VARCHAR(32)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'message.parked',
    ADD COLUMN cause_key VARCHAR(255) NOT NULL DEFAULT '',
    ADD COLUMN group_id  CHAR(36)     CHARACTER SET ascii COLLATE ascii_bin NULL,
    DROP KEY notifications_once,
    ADD UNIQUE KEY notifications_once (parked_id, type, channel),
    ADD KEY notifications_by_cause (channel, cause_key, told_at),
    ADD KEY notifications_by_group (group_id)", 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'notifications' AND column_name = 'type');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;

-- waits counts the instructions that had to wait. Nobody reads the count. It is there so that the
-- row really changes: then whoever waits collides with whoever settles the predecessor, also on
-- another node of a cluster.
SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE order_progress ADD COLUMN waits BIGINT NOT NULL DEFAULT 0', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'order_progress' AND column_name = 'waits');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;

SET @change = (SELECT IF(COUNT(*) = 0, 'ALTER TABLE points_balances ADD COLUMN waits BIGINT NOT NULL DEFAULT 0', 'DO 0')
    FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'points_balances' AND column_name = 'waits');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;

-- Changes of points wait where all messages do. The table is renamed first: that waits for every
-- transaction that has written to it, so no row is left out of the copy. An older instance then
-- pauses its queues of points until it is stopped.
SET @change = (SELECT IF(COUNT(*) = 1, 'RENAME TABLE points_waiting TO points_waiting_moved', 'DO 0')
    FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'points_waiting');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;

SET @change = (SELECT IF(COUNT(*) = 1, "INSERT INTO parked_messages (id, state, cause, topic, broker, queue_id, queue_offset, message_id,
        payment_no, order_id, seq, payload, payload_sha256, properties, reason, attempts, resolution, created_at, updated_at)
    SELECT UUID(), 'waiting', 'ahead', 'points', 'points_waiting', 0, seq, '', JSON_UNQUOTE(JSON_EXTRACT(CONVERT(body USING utf8mb4), '$.points_no')),
        customer_id, seq, body, SHA2(body, 256), '{}', 'its predecessor is not there yet', 1, '', created_at, created_at
    FROM points_waiting_moved
    ON DUPLICATE KEY UPDATE parked_messages.id = parked_messages.id", 'DO 0')
    FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'points_waiting_moved');
PREPARE change_table FROM @change;
EXECUTE change_table;
DEALLOCATE PREPARE change_table;

DROP TABLE IF EXISTS points_waiting_moved;
