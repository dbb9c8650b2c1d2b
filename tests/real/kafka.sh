#!/usr/bin/env bash
# A real Kafka broker, which the tests start and end: alerts of a file, workers killed, asleep, coming and going.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# Fetched once, before the clock of any test runs.
tests/real/kafka/broker fetch >/dev/null
cargo test --locked --test kafka -- --test-threads=1 --nocapture 2>&1 | grep -E '^(test |[0-9]+ |KAFKA|thread|in vain|seed)|panicked|lost'
echo "ok: kafka $(sed -n 's/.*<artifactId>kafka_2.13<.*<version>\(.*\)<\/version>.*/\1/p' tests/real/kafka/pom.xml)"
