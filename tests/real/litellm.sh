#!/usr/bin/env bash
# A real LiteLLM proxy whose models answer by themselves: what it logs is read without a setting, its costs are the
# ones that keyhound sums, and a theft is told while it goes on.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3 curl jq
folder="$root/tests/real/litellm"
version="$(sed -n 's/^litellm==//p' "$folder/requirements.txt")"
environment "litellm-$version" "$folder"
cd "$work"

random() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
stolen="sk-$(random)"
quiet="sk-$(random)"
# LiteLLM hashes keys that begin with sk-; any other stands in its payloads as it is.
plain="corp-$(random)"
unknown="sk-$(random)"
# Whoever may look at all spend.
viewer="sk-$(random)"
printf '%s\n' "$stolen" "$quiet" "$plain" "$unknown" "$viewer" >keys
jq -n --arg stolen "$stolen" --arg quiet "$quiet" --arg plain "$plain" --arg viewer "$viewer" \
  '{($viewer): {key_alias: "viewer", user_role: "proxy_admin"}, ($stolen): {key_alias: "nightly"}, ($quiet): {key_alias: "chatbot"}, ($plain): {key_alias: "search"}}' >keys.json

port="$(free_port)"
LITELLM_MASTER_KEY="sk-$(random)"
# The price list inside the package, not the one on the network.
export LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_MASTER_KEY RECORD_DIR="$work" PYTHONDONTWRITEBYTECODE=1
start proxy.log "$venv/bin/litellm" --config "$folder/config.yaml" --host 127.0.0.1 --port "$port" --telemetry False
proxy=$server
eventually 90 curl -sf "http://127.0.0.1:$port/health/liveliness"

# The rest takes a few seconds; all of it is to lie in one hour of one day.
left=$((3600 - $(date +%s) % 3600))
[ "$left" -gt 40 ] || sleep "$left"
hour="$(date -u +%Y-%m-%dT%H:00:00Z)"

sent=0
# ask STATUS KEY ADDRESS MODEL [QUESTION [MEMBERS]]: one request, and the status it is answered with.
ask() {
  sent=$((sent + 1))
  same "status of $4" "$(curl -s -o answer -w '%{http_code}' "http://127.0.0.1:$port/v1/chat/completions" \
    -H "authorization: Bearer $2" -H "x-forwarded-for: $3" -H 'content-type: application/json' \
    -d "{\"model\":\"$4\",\"messages\":[{\"role\":\"user\",\"content\":\"${5:-question $sent}\"}]${6:-}}")" "$1"
}

# A usual day: answers, streams, a hit of the cache, a failure, a key that LiteLLM does not know.
for _ in 1 2 3 4; do
  for key in "$stolen" "$quiet" "$plain"; do
    ask 200 "$key" 198.51.100.7 claude-sonnet-4-5
    ask 200 "$key" "198.51.100.8, 10.0.0.1" house-model
    ask 200 "$key" 198.51.100.7 claude-sonnet-4-5 "" ',"stream":true'
  done
done
ask 200 "$stolen" 198.51.100.7 house-model "question 2"
ask 429 "$stolen" 198.51.100.7 busy-model
ask 401 "$unknown" 203.0.113.99 claude-sonnet-4-5
logged() { [ "$(wc -l <payloads.jsonl)" -ge "$sent" ] && [ "$(wc -l <spend.jsonl)" -ge "$sent" ]; }
eventually 20 logged
same "hits of the cache" "$(jq -c 'select(.cache_hit == true)' payloads.jsonl | wc -l)" 1

# Four weeks of that day, its size not always the same, are the past of these keys.
jq -c 'select(.metadata.user_api_key_alias)
  | range(1; 29) as $day | select($day % 2 == 0 or (.stream | not))
  | .id += "-\($day)" | .litellm_call_id += "-\($day)"
  | (.startTime, .endTime, .completionStartTime) -= 86400 * $day' payloads.jsonl >history.jsonl
past="$(wc -l <history.jsonl)"

mkdir said
page="127.0.0.1:$(free_port)"
start follow.log "$keyhound" run --history history.jsonl --follow payloads.jsonl --output said/alerts \
  --rejects said/rejects --metrics "$page"
follow=$server
all_read() { curl -sf "http://$page/metrics" | grep -qx "keyhound_source_lines_total $((past + sent))"; }
told() { jq -es --arg type "$1" 'any(.alert_type == $type)' said/alerts; }
eventually 20 all_read
same "alerts on a usual day" "$(cat said/alerts)" ""
# The theft: told at its first request, while the others go on as usual.
ask 200 "$stolen" 203.0.113.9 claude-opus-4-8
eventually 10 told unknown_model
eventually 10 told unknown_source_ip
for _ in 1 2; do
  for last in $(seq 12); do ask 200 "$stolen" "203.0.113.$((last % 3))" claude-opus-4-8; done
  for key in "$quiet" "$plain"; do ask 200 "$key" 198.51.100.7 claude-sonnet-4-5; done
done
for type in volume_spike cost_spike billing_threshold; do eventually 10 told "$type"; done
eventually 20 all_read
eventually 20 logged
curl -sf "http://$page/metrics" >said/metrics
stop "$follow" || fail "keyhound --follow"

# What keyhound asks of its API: the proxy finds neither path (404) nor key nor the form of a parameter (422) wrong, only that it
# has no database: `contain.sh` has one with a database.
printf '%s\n' "$viewer" >viewer
printf '[sources.litellm_%s]\ntype = "litellm_%s"\nkey_file = "viewer"\nurl = "http://127.0.0.1:%s"\nretry_max_ms = 1\n' \
  spend spend "$port" activity activity "$port" >sources.toml
for source in litellm_spend litellm_activity; do
  code=0
  "$keyhound" pull "$source" --config sources.toml --since 1h >"said/$source" 2>"$source.log" || code=$?
  same "$source without a database" "$code" 69
  grep -qE 'answered (400|401|500): .*(Prisma Client|database|Database|DB)' "$source.log" || fail "$source: $(cat "$source.log")"
done
stop "$proxy" || true

summary() { grep -o '^read .* rejected' "$1"; }
all_of() { echo "read $1 = $1 processed + 0 duplicate + 0 late + 0 rejected"; }
same "followed" "$(summary follow.log)" "$(all_of $((past + sent)))"
same "keys in alerts" "$(jq -r '"\(.api_key_prefix) \(.api_key_alias)"' said/alerts | sort -u)" \
  "...$(printf %s "$stolen" | sha256sum | cut -c61-64) nightly"

# With this, every key that cost anything has an alert, and that has the sum.
printf '[detectors.billing_threshold]\namounts_usd = [0.0]\n' >every_key.toml
# sums FILE FILTER: what each key cost in billionths of a dollar; FILTER makes {key, cost} of a record.
sums() { jq -rs "map($2 | select(.cost > 0)) | group_by(.key)[] | \"\(.[0].key) \(map(.cost) | add * 1e9 | round)\"" "$1"; }
told='select(.status == "final") | {key: "\(.api_key_prefix) \(.api_key_alias)", cost: .cost_usd}'
payload='{key: "...\(.metadata.user_api_key_hash[-4:]) \(.metadata.user_api_key_alias)", cost: .response_cost}'
row='{key: "...\(.api_key[-4:]) \(.metadata | fromjson.user_api_key_alias)", cost: .spend}'
# agree FILE FILTER: keyhound reads all that LiteLLM wrote, and its sums are those of what LiteLLM says each cost.
agree() {
  same "$1" "$(wc -l <"$1")" "$sent"
  "$keyhound" run --config every_key.toml --encoding json "$1" >"said/$1" 2>"$1.log" || fail "keyhound on $1"
  same "$1, read" "$(summary "$1.log")" "$(all_of "$sent")"
  same "$1, keys with costs" "$(sums "$1" "$2" | wc -l)" 3
  same "$1, costs" "$(sums "said/$1" "$told")" "$(sums "$1" "$2")"
}
agree payloads.jsonl "$payload"
agree spend.jsonl "$row"

# The rows as its API would page them, pulled: read as those of the file are. In a database no two rows have one id, as some
# answers of these models have.
mkdir -p api/spend/logs
jq -s '{data: (to_entries | map(.value + {request_id: "\(.value.request_id)-\(.key)"})), total: length, page: 1, page_size: 1000, total_pages: 1}' spend.jsonl >api/spend/logs/v2
api="$(free_port)"
start api.log python3 -m http.server "$api" --bind 127.0.0.1 --directory api
eventually 20 curl -sf "http://127.0.0.1:$api/spend/logs/v2" -o /dev/null
"$keyhound" pull litellm_spend --url "http://127.0.0.1:$api" --key-file viewer \
  --since "$hour" >pulled.jsonl 2>pulled.log ||
  fail "keyhound pull: $(cat pulled.log)"
stop "$server" || true
agree pulled.jsonl "$row"

"$keyhound" run --encoding text --history history.jsonl payloads.jsonl >said/text 2>text.log || fail "keyhound --encoding text"
grep -qF "$plain" payloads.jsonl || fail "no payload has a key as it is: nothing is shown by its absence"
shown="$(grep -lF -f keys said/* ./*.jsonl.log ./litellm_*.log pulled.log follow.log text.log || true)"
same "outputs with a key in them" "$shown" ""
echo "ok: litellm $version: $sent payloads and $sent spend rows of $sent requests, costs as LiteLLM's, a theft told at its first request"
