#!/usr/bin/env bash
# The rules and dashboards of deploy/: unit tests of the rules, and every query against a Prometheus that scrapes a keyhound.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need promtool prometheus curl jq python3

rules="$root/deploy/prometheus"
boards=("$root"/deploy/grafana/dashboards/*.json)
told="$(promtool check rules "$rules/keyhound.recording.yml" "$rules/keyhound.alerts.yml" 2>&1)" || fail "promtool: $told"
told="$(promtool test rules "$rules/keyhound.test.yml" 2>&1)" || fail "promtool: $told"

example="$root/config/examples/stolen-key.jsonl"
port="$(free_port)"
page="http://127.0.0.1:$port"
mkdir "$work/run"
echo 'AS64500' >"$work/list"
cat >"$work/keyhound.toml" <<CONFIG
[incidents]
enabled = true
false_per_week = 1.0
[metrics]
keys = "top"
[watch_list]
files = ["$work/list"]
CONFIG
sed '/incidents/,/week/s/1.0/2.0/' "$work/keyhound.toml" >"$work/shadow.toml"
printf '[detectors.unknown_model]\nenabled = false\n' >>"$work/shadow.toml"
mkfifo "$work/pipe"
# Opened for both first: a pipe without a writer cannot be opened for reading alone.
exec 8<>"$work/pipe"
# Nobody takes what is posted, so that something waits.
start "$work/keyhound.log" "$keyhound" run --config "$work/keyhound.toml" --metrics "127.0.0.1:$port" --state "$work/state" \
  --output "$work/alerts" --post "http://127.0.0.1:$(free_port)/" --shadow "$work/shadow.toml" <"$work/pipe" 8>&-
exec 9>"$work/pipe" 8>&-
eventually 10 curl -sf "$page/healthz"
# Another one that records are posted to, and that asks a source which does not answer and a model which does.
other="$(free_port)"
posted="http://127.0.0.1:$(free_port)"
(umask 077 && echo nothing >"$work/source.key")
model="$(free_port)"
start "$work/model.log" python3 - "$model" <<'PYTHON'
import http.server, sys
class Model(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = b'{"choices":[{"message":{"content":"pong"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":1}}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Model).serve_forever()
PYTHON
cat >"$work/sources.toml" <<CONFIG
[sources.gone]
type = "litellm_spend"
url = "http://127.0.0.1:$(free_port)"
key_file = "$work/source.key"
every_seconds = 5
[[contain]]
name = "dry"
action = "litellm_block"
url = "http://127.0.0.1:$(free_port)"
key_file = "$work/source.key"
[probes.pong]
type = "openai"
model = "gpt-4o-mini"
url = "http://127.0.0.1:$model"
every_seconds = 1
cost_cap_usd_per_day = 1.0
CONFIG
start "$work/listen.log" "$keyhound" run --config "$work/sources.toml" --listen "${posted#http://}" --metrics "127.0.0.1:$other" --state "$work/posted" --output "$work/told"
eventually 10 curl -sf "http://127.0.0.1:$other/healthz"

cat >"$work/prometheus.yml" <<CONFIG
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: ["$rules/keyhound.recording.yml", "$rules/keyhound.alerts.yml"]
scrape_configs:
  - job_name: keyhound
    static_configs: [{targets: ["127.0.0.1:$port", "127.0.0.1:$other"]}]
CONFIG
api="http://127.0.0.1:$(free_port)"
start "$work/prometheus.log" prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" \
  --web.listen-address="${api#http://}" --log.level=warn
ask() { curl -s -G "$api/api/v1/query" --data-urlencode "query=$1"; }
count() { ask "$1" | jq -er '.data.result | length'; }
some() { [ "$(count "$1")" -gt 0 ]; }
eventually 20 some 'keyhound_records_total'

# Half of it before something is scraped twice, and half after: what is asked for are differences.
lines="$(wc -l <"$example")"
head -n $((lines / 2)) "$example" >&9
eventually 20 some 'keyhound_records_total{outcome="processed"} > 100'
sleep 2
tail -n +$((lines / 2 + 1)) "$example" >&9
echo '{"timestamp":"yesterday","api_key_prefix":"...3f9c","model":"gpt-4o","input_tokens":1}' >&9
eventually 30 some 'keyhound_rejects_total{reason="bad_time"} == 1'
# Single keys are looked at every five seconds, and a checkpoint is made after ten.
eventually 30 some 'keyhound_key_alerts_open{severity="critical"} > 0'
eventually 30 some 'keyhound_checkpoints_total > 1'
eventually 30 some 'keyhound:rejects:ratio15m > 0'
eventually 30 some 'keyhound_shadow_differences{difference="only_here"} > 0'
# What is posted before something is scraped, and after: one in two of it is nothing.
post() { curl -s -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' -H "Content-Encoding: ${2:-identity}" --data-binary "$1" "$posted/"; }
record() { echo "{\"timestamp\":\"2026-07-02T00:00:0$1Z\",\"api_key_prefix\":\"...3f9c\",\"model\":\"gpt-4o\",\"input_tokens\":1}"; }
same "a record that is posted" "$(post "$(record 1)")" 200
same "a packing that nobody knows" "$(post "$(record 1)" brotli)" 415
eventually 20 some 'keyhound_listen_requests_total{outcome="taken"} == 1'
sleep 2
same "another one" "$(post "$(record 2)")" 200
same "and again" "$(post "$(record 2)" brotli)" 415
eventually 30 some 'keyhound:listen_refused:ratio15m > 0.4'
eventually 30 some 'keyhound_pull_failing == 1'
eventually 30 some 'keyhound_contain_failing == 0'
eventually 30 some 'keyhound_probe_latency_seconds_count > 2'

curl -sf "$page/metrics" >"$work/page"
told="$(promtool check metrics <"$work/page" 2>&1)" || fail "promtool: $told"
same "promtool on single keys" "$told" ""

# Of what there is nothing in this run, and ought not to be.
rightly_empty='kafka'
queries=0 empty=0
try() {
  local query="$2" found
  query="${query//\$__rate_interval/15s}"
  query="${query//\$job/.*}"; query="${query//\$instance/.*}"; query="${query//\$key/.*}"
  found="$(ask "$query")"
  same "$1: $query" "$(jq -r .status <<<"$found")" success
  queries=$((queries + 1))
  # SHOW=1: the answers, to be looked at.
  [ -z "${SHOW:-}" ] || jq -r --arg where "$1" '.data.result[:4][] | [$where, (.metric | del(.job, .instance) | tostring), .value[1]] | @tsv' <<<"$found"
  if [[ "$query" =~ $rightly_empty ]]; then
    empty=$((empty + 1))
    return
  fi
  [ "$(jq '.data.result | length' <<<"$found")" -gt 0 ] || fail "$1: nothing answers $query"
}
while IFS=$'\t' read -r where query; do
  try "$where" "$query"
done < <(jq -r '.uid as $uid | .panels[] | (.title + " [" + .fieldConfig.defaults.unit + "]") as $title | .targets[]? | [$uid + " / " + $title, .expr] | @tsv' "${boards[@]}")
# What is chosen from: label_values(series, label).
while IFS=$'\t' read -r where query; do
  try "$where" "$query"
done < <(jq -r '.uid as $uid | .templating.list[] | select(.type == "query")
  | [$uid + " / " + .name, (.definition | capture("label_values\\((?<series>.*), (?<label>\\w+)\\)") | "count by (" + .label + ") (" + .series + ")")] | @tsv' "${boards[@]}")
# What is marked on them is there where something started: the query as such has to be one.
while IFS=$'\t' read -r where query; do
  query="${query//\$job/.*}"; query="${query//\$instance/.*}"
  same "$where" "$(ask "$query" | jq -r .status)" success
done < <(jq -r '.uid as $uid | .annotations.list[] | select(.expr) | [$uid, .expr] | @tsv' "${boards[@]}")

# Every rule can be evaluated, and what each asks for is there.
sick="$(curl -s "$api/api/v1/rules" | jq -r '.data.groups[].rules[] | select(.health != "ok") | .name + ": " + .health + " " + (.lastError // "")')"
same "rules that cannot be evaluated" "$sick" ""
while read -r name; do
  try rules "$name"
done < <(grep -hoE 'keyhound[a-z_]*(:[a-z0-9_:]+)?|process_[a-z_]+' "$rules/keyhound.recording.yml" "$rules/keyhound.alerts.yml" |
  grep -E '^(keyhound_|keyhound:|process_)' | sort -u)
firing() { ask 'ALERTS{alertstate="firing"}' | jq -r '.data.result[].metric.alertname' | sort -u | paste -sd ' '; }
for alert in KeyhoundWatchdog KeyhoundIncidentCritical; do
  [[ " $(firing) " == *" $alert "* ]] || fail "$alert does not fire: $(firing)"
done
same "summary" "$(curl -s "$api/api/v1/alerts" | jq -r '[.data.alerts[] | select(.labels.alertname == "KeyhoundWatchdog")][0].annotations.summary')" \
  "Alerting works as a whole"

exec 9>&-
echo "ok: dashboards: $(grep -c 'alert:' "$rules/keyhound.alerts.yml") alerts and $(grep -c 'record:' "$rules/keyhound.recording.yml") recordings tested; $queries queries answered, $empty of them rightly with nothing; firing: $(firing)"
