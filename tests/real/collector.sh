#!/usr/bin/env bash
# An OpenTelemetry collector, built from its modules (tests/real/collector): records come from it by OTLP, and alerts go to it
# by OTLP, through a stop of the collector. It is asked for what it has, which is each alert in each revision once or more.
# Needs Go, 1.21 or newer; the first time it is built, which takes a minute or two.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need go curl jq

# Built once for these sources, and kept for the next time.
cache="$(realpath -m "${KEYHOUND_CACHE:-$root/target/real}")/collector"
sources="$(cat "$root"/tests/real/collector/* | sha256sum | cut -d ' ' -f 1)"
if [ "$(cat "$cache/sources" 2>/dev/null)" != "$sources" ]; then
  mkdir -p "$cache"
  (cd "$root/tests/real/collector" && go build -trimpath -ldflags='-s -w' -o "$cache/collector" .) >"$work/build.log" 2>&1 ||
    fail "go build"
  echo "$sources" >"$cache/sources"
fi

example="$root/config/examples/stolen-key.jsonl"
in="$(free_port)" out="$(free_port)" listen="$(free_port)" metrics="$(free_port)"
# collects NAME PORT EXPORTER SETTINGS
collects() {
  cat >"$work/$1.yaml" <<CONFIG
receivers:
  otlp: {protocols: {http: {endpoint: "127.0.0.1:$2"}}}
processors:
  batch: {send_batch_size: 200, timeout: 100ms}
exporters:
  $3: {$4}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [otlp], processors: [batch], exporters: [$3]}
CONFIG
}
collects in "$in" otlp_http/keyhound "endpoint: \"http://127.0.0.1:$listen\", compression: gzip"
collects out "$out" file "path: \"$work/collected.jsonl\", append: true"
cat >"$work/keyhound.toml" <<CONFIG
[sinks.collector]
type = "otlp"
url = "http://127.0.0.1:$out"
retry_max_ms = 500
CONFIG
answers() { [ "$(curl -s -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' -d '{}' "http://127.0.0.1:$1/v1/logs")" = 200 ]; }
# begin NAME PORT
begin() {
  start "$work/collector-$1.log" "$cache/collector" --config "file:$work/$1.yaml"
  eventually 20 answers "$2"
}
begin in "$in"
begin out "$out"
collector=$server
start "$work/keyhound.log" "$keyhound" run -c "$work/keyhound.toml" --threads 1 --listen "127.0.0.1:$listen" --metrics "127.0.0.1:$metrics" \
  --state "$work/state" --output "$work/alerts"
run=$server
listens() { curl -s "http://127.0.0.1:$listen/healthz"; }
eventually 20 listens
# All that became of records: two of them are there twice.
records() { curl -s "http://127.0.0.1:$metrics/metrics" | sed -n 's/^keyhound_records_total{.*} //p' | jq -s add; }
count() { [ "$(records)" = "$1" ]; }

# Each line is a log record; a few hundred go together, in order.
split -l 400 "$example" "$work/part-"
sent=0
for part in "$work"/part-*; do
  # What comes to alerts while it is away is sent when it is back.
  [ "$part" != "$work/part-ae" ] || stop "$collector" || fail "the collector of alerts"
  jq -R '{timeUnixNano: "1780304400000000000", body: {stringValue: .}}' "$part" |
    jq -sc '{resourceLogs: [{resource: {}, scopeLogs: [{scope: {}, logRecords: .}]}]}' |
    curl -sS --fail-with-body -H 'Content-Type: application/json' --data-binary @- "http://127.0.0.1:$in/v1/logs" >/dev/null || fail "the collector takes logs"
  sent=$((sent + $(wc -l <"$part")))
  eventually 20 count "$sent"
done
grep -q 'sink `collector`.* cannot be reached' "$work/keyhound.log" || fail "nothing was told of a collector that is away"
begin out "$out"
has_all() {
  jq -r '"\(.id) \(.revision)"' "$work/alerts" | sort -u >"$work/told"
  jq -r '.resourceLogs[].scopeLogs[].logRecords[] | [(.attributes[] | select(.key == "keyhound.id").value.stringValue),
    (.attributes[] | select(.key == "keyhound.revision").value.intValue)] | join(" ")' "$work/collected.jsonl" | sort -u >"$work/has"
  [ -s "$work/told" ] && cmp -s "$work/told" "$work/has"
}
eventually 20 has_all
stop "$run" || fail "keyhound"
"$keyhound" run --quiet --threads 1 - <"$example" >"$work/expected" || fail "keyhound on a pipe"
alerts="$(wc -l <"$work/alerts")"
[ "$alerts" -gt 5 ] || fail "$alerts alerts of a theft"
same "alerts" "$(sha256sum <"$work/alerts")" "$(head -n "$alerts" "$work/expected" | sha256sum)"
echo "ok: collector: $sent records by way of it, $(wc -l <"$work/has") alerts at it"
