#!/usr/bin/env bash
# A real Kafka broker, which the tests start and end: alerts of a file, workers killed, asleep, coming and going.
#   KAFKA_KILLS=200 KAFKA_BROKER_KILLS=10   so many kills of workers and brokers (default 8 and 1)
#   KAFKA_ROUNDS=12                         so many troubles of the network (default 4), workers put to sleep (2), and
#                                           times that workers come and go (5)
#   KAFKA_SEED=7                            where chance begins (default 1); it is printed
#   KAFKA_SPEED=1                           measures speed and the latency of alerts instead, in a release build;
#                                           KAFKA_RATE records a second for KAFKA_SECONDS (default 5000 and 60)
#   KAFKA_RELEASE=1                         a release build
#   KAFKA_GUARANTEE=at-least-once           workers are killed that promise less, to see that what comes twice is seen
#   KAFKA_ONLY=kills                        only tests of such a name
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# Fetched once, before the clock of any test runs.
tests/real/kafka/broker fetch >/dev/null
only="${KAFKA_ONLY:-}"
[ -z "${KAFKA_SPEED:-}" ] || only="${only:-measured}"
build=()
[ -z "${KAFKA_SPEED:-}${KAFKA_RELEASE:-}" ] || build=(--release)
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
# Each test has brokers of its own and waits for them most of the time; what is measured is measured alone.
threads=2
[ -z "${KAFKA_SPEED:-}" ] || threads=1
cargo test --locked "${build[@]}" --test kafka -- --test-threads="$threads" --nocapture $only 2>&1 | tee "$log" |
  grep --line-buffered -E '^(test |[0-9]+ |[a-z_]+: [0-9]+ end|KAFKA|thread|in vain|seed|skipped|latency|kills|network|recover)|panicked|lost' ||
  # What it says of a failure, the workers' logs among it, may be long; without it nobody knows why.
  { grep -A 40 panicked "$log" | cut -c 1-1000 | head -400 >&2; exit 1; }
echo "ok: kafka $(sed -n 's/.*<artifactId>kafka_2.13<.*<version>\(.*\)<\/version>.*/\1/p' tests/real/kafka/pom.xml)"
