#!/usr/bin/env bash
# Prometheus scrapes a running keyhound: the page is well-formed, and PromQL finds in it what happened.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need promtool prometheus curl jq

example="$root/config/examples/stolen-key.jsonl"
lines="$(wc -l <"$example")"
port="$(free_port)"
page="http://127.0.0.1:$port"
mkfifo "$work/pipe"
# Opened for both first: a pipe without a writer cannot be opened for reading alone.
exec 8<>"$work/pipe"
start "$work/keyhound.log" "$keyhound" run --metrics "127.0.0.1:$port" --output "$work/alerts" <"$work/pipe" 8>&-
exec 9>"$work/pipe" 8>&-

eventually 10 curl -sf "$page/healthz"
same healthz "$(curl -s "$page/healthz")" ok
same readyz "$(curl -s "$page/readyz")" ready
same "another page" "$(curl -s -o /dev/null -w '%{http_code}' "$page/wp-login.php")" 404
same "another method" "$(curl -s -o /dev/null -w '%{http_code}' -X POST "$page/metrics")" 405

cat "$example" >&9
all_read() { curl -s "$page/metrics" | grep -qx "keyhound_source_lines_total $lines"; }
eventually 20 all_read
curl -sf "$page/metrics" >"$work/page"
told="$(promtool check metrics <"$work/page" 2>&1)" || fail "promtool: $told"
same promtool "$told" ""
sum() { awk -v name="$1" 'index($1, name) == 1 { sum += $2 } END { print sum + 0 }' "$work/page"; }
same "records, whatever became of them" "$(sum keyhound_records_total)" "$lines"
alerts="$(sum keyhound_alerts_total)"
same "alerts written" "$(wc -l <"$work/alerts")" "$alerts"
[ "$alerts" -gt 0 ] || fail "no alerts in the example of a theft"

cat >"$work/prometheus.yml" <<CONFIG
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: keyhound
    static_configs: [{targets: ["127.0.0.1:$port"]}]
CONFIG
api="http://127.0.0.1:$(free_port)"
start "$work/prometheus.log" prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" \
  --web.listen-address="${api#http://}" --log.level=warn
query() {
  curl -sf -G "$api/api/v1/query" --data-urlencode "query=$1" | jq -er '.data.result[0].value[1]'
}
eventually 30 query 'keyhound_alerts_total'
same "up" "$(query 'up{job="keyhound"}')" 1
same "alerts by PromQL" "$(query 'sum(keyhound_alerts_total)')" "$alerts"
same "stolen key by PromQL" "$(query 'sum(keyhound_alerts_total{type="unknown_source_ip",status="open"}) > bool 0')" 1
same "quantiles by PromQL" "$(query 'count(keyhound_latency_seconds)')" 4

exec 9>&-
echo "ok: prometheus $(prometheus --version 2>&1 | sed -n 's/.*version \([^ ]*\).*/\1/p'): $lines records, $alerts alerts, up"
