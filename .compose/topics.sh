#!/bin/bash
# Creates the topics of the contract, in the image's directory of scripts. The queue counts are what
# SETTLEMENT_QUEUES, OUTCOME_QUEUES and POINTS_QUEUES of the services say; the journal is in global order and has one.
set -u

broker=127.0.0.1:$BROKER_PORT

create() {
  local topic=$1 queues=$2 out
  out=$(sh mqadmin updateTopic -n 127.0.0.1:9876 -b "$broker" -t "$topic" -r "$queues" -w "$queues" -a +message.type=FIFO 2>&1)
  # mqadmin exits with 0 also when it has failed.
  if [[ $out != *"create topic to $broker success"* ]]; then
    printf 'topic %s was not created:\n%s\n' "$topic" "$(tail -n 12 <<<"$out")" >&2
    return 1
  fi
  echo "topic $topic: $queues queues, FIFO"
}

# Side by side: each is a Java that takes seconds to start.
create settlement 8 &
settlement=$!
create payment-outcome 8 &
outcome=$!
create points 4 &
points=$!
create journal 1 &
journal=$!
wait "$settlement" && wait "$outcome" && wait "$points" && wait "$journal"
