#!/bin/bash
# Runs the broker, in the image's directory of scripts.
set -u

conf=/tmp/broker.conf
{ cat /compose/broker.conf && echo "listenPort=$BROKER_PORT"; } >"$conf" || exit 1

# The image's scripts start Java as a child and do not pass SIGTERM on: they would end, the container
# with them, and the broker be killed with its store open.
stop() {
  for process in /proc/[0-9]*; do
    if [ "$(cat "$process/comm" 2>/dev/null)" = java ]; then kill -TERM "${process#/proc/}"; fi
  done
}
trap stop TERM INT

sh mqbroker -c "$conf" &
broker=$!
wait "$broker"
code=$?
while kill -0 "$broker" 2>/dev/null; do # a signal ended the wait, not the broker
  wait "$broker"
  code=$?
done
exit "$code"
