#!/usr/bin/env bash
# A real Alertmanager: a run's incident is received and asked for back, goes on while it is open, and ends when it is over.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need prometheus-alertmanager curl jq

port="$(free_port)"
api="http://127.0.0.1:$port/api/v2"
cat >"$work/alertmanager.yml" <<CONFIG
route: {receiver: nobody, group_by: [key_id]}
receivers: [{name: nobody}]
CONFIG
start "$work/alertmanager.log" prometheus-alertmanager --config.file="$work/alertmanager.yml" \
  --storage.path="$work/data" --web.listen-address="127.0.0.1:$port" --cluster.listen-address=
eventually 20 curl -sf "$api/status"

cat >"$work/keyhound.toml" <<CONFIG
[incidents]
enabled = true
[sinks.alertmanager]
type = "alertmanager"
url = "http://127.0.0.1:$port"
events = ["incident"]
resend_ms = 1000
CONFIG
tested="$("$keyhound" check -c "$work/keyhound.toml" --send-test)" || fail "the test message: $tested"
same "the test message" "${tested##*) }" "has taken the test"

# Seven keys at work for five weeks; one of them is used by a thief, at first.
line() { # TIME KEY ADDRESS CLIENT MODEL TOKENS
  printf '{"timestamp":%d,"request_id":"r%d-%s","api_key_prefix":"...key%s","model":"%s","input_tokens":%d,"output_tokens":120,"source_ip":"%s","user_agent":"%s","endpoint":"/v1/chat/completions"}\n' \
    "$1" "$1" "$2" "$2" "$5" "$6" "$3" "$4"
}
day=86400
begin=$((1780272000))
for ((at = 0; at < 37; at++)); do
  for ((quarter = 32; quarter < 72; quarter += 2)); do
    for key in 0 1 2; do
      line $((begin + at * day + quarter * 900 + key)) "$key" 198.51.100.7 'OpenAI/Python 2.32.0' gpt-4o-mini $((600 + quarter))
    done
  done
done >"$work/quiet"
stolen=$((begin + 36 * day + 64800))
for ((call = 0; call < 90; call++)); do
  line $((stolen + call * 40)) 0 203.0.113.99 'Python/3.12 aiohttp/3.10.1' gpt-4o $((9000 + call))
done >"$work/theft"
for ((at = 37; at < 40; at++)); do
  for ((quarter = 32; quarter < 72; quarter += 2)); do
    line $((begin + at * day + quarter * 900)) 0 198.51.100.7 'OpenAI/Python 2.32.0' gpt-4o-mini $((600 + quarter))
  done
done >"$work/later"

mkfifo "$work/pipe"
exec 8<>"$work/pipe"
start "$work/keyhound.log" "$keyhound" run -c "$work/keyhound.toml" --output "$work/alerts" <"$work/pipe" 8>&-
run=$server
exec 9>"$work/pipe" 8>&-
cat "$work/quiet" "$work/theft" >&9

# asked FILTER: of the alerts that Alertmanager has of keyhound now.
asked() { curl -sf "$api/alerts?filter=alertname=keyhound_incident" | jq -er "$1"; }
is_open() { asked '.[0].status.state == "active"'; }
eventually 60 is_open
id="$(jq -r 'select(.event == "incident") | .id' "$work/alerts" | head -n 1)"
same "the incident" "$(asked '.[0].labels.event_id')" "$id"
same "how many there are" "$(asked length)" 1
same "its theft" "$(asked '.[0].labels.theft_id')" \
  "$(jq -r 'select(.event == "incident") | .theft_id' "$work/alerts" | sort -u)"
same "its severity" "$(asked '.[0].labels.severity')" \
  "$(jq -r "select(.event == \"incident\") | .severity" "$work/alerts" | tail -n 1)"
ends="$(asked '.[0].endsAt')"
is_told_again() { [ "$(asked '.[0].endsAt')" != "$ends" ]; }
eventually 20 is_told_again
same "it is the same alert" "$(asked length)" 1

cat "$work/later" >&9
is_over() { [ "$(curl -sf "$api/alerts?filter=alertname=keyhound_incident" | jq length)" = 0 ]; }
exec 9>&-
eventually 60 is_over
wait "$run" || fail "keyhound"
same "how it ended" "$(jq -r 'select(.event == "incident") | .status' "$work/alerts" | tail -n 1)" resolved
echo "ok: alertmanager $(prometheus-alertmanager --version 2>&1 | sed -n 's/.*version \([^ ]*\).*/\1/p'): incident $id received, told again, over"
