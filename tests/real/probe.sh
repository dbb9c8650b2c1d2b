#!/usr/bin/env bash
# Canary prompts to a real LiteLLM proxy whose models answer by themselves: by all three APIs, streamed and whole, well and failing; and
# in a run that follows what the proxy logs: its own are known, and whoever copies them is told.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3 curl jq
folder="$root/tests/real/litellm"
version="$(sed -n 's/^litellm==//p' "$folder/requirements.txt")"
environment "litellm-$version" "$folder"
cd "$work"

random() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
key="sk-$(random)"
(umask 077 && printf '%s\n' "$key" >key && printf 'sk-%s\n' "$(random)" >unknown)
jq -n --arg key "$key" '{($key): {key_alias: "canary"}}' >keys.json
port="$(free_port)"
LITELLM_MASTER_KEY="sk-$(random)"
export LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_MASTER_KEY RECORD_DIR="$work" PYTHONDONTWRITEBYTECODE=1
start proxy.log "$venv/bin/litellm" --config "$folder/config.yaml" --host 127.0.0.1 --port "$port" --telemetry False
proxy=$server
eventually 90 curl -sf "http://127.0.0.1:$port/health/liveliness"

# probe NAME TYPE MODEL [SETTINGS]: adds one to the configuration.
probe() {
  printf '[probes.%s]\ntype = "%s"\nmodel = "%s"\nurl = "http://127.0.0.1:%s"\nkey_file = "key"\n%b\n' "$1" "$2" "$3" "$port" "${4:-}"
}
{
  probe openai openai claude-sonnet-4-5 '[probes.openai.expect]\nequals = "Noted."\nmodel = "claude-sonnet-4-5"\noutput_tokens_min = 1\ninput_tokens_min = 5'
  probe whole openai house-model 'stream = false\n[probes.whole.expect]\nmatches = "^Noted"'
  probe anthropic anthropic claude-sonnet-4-5 '[probes.anthropic.expect]\nequals = "Noted."\ninput_tokens_min = 1'
  probe gemini gemini claude-sonnet-4-5 '[probes.gemini.expect]\nequals = "Noted."'
  probe other openai claude-sonnet-4-5 '[probes.other.expect]\nequals = "Heard."\njson_schema = { type = "object" }'
  probe busy openai busy-model
  probe nobody openai no-such-model
} >probes.toml
"$keyhound" check -c probes.toml >check.log || fail "keyhound check"
[ ! -s payloads.jsonl ] || fail "a check has asked"

# once EXIT NAME…: sends them once, and keeps their lines.
once() {
  local code=0
  "$keyhound" probe -c probes.toml --format json "${@:2}" >>lines.jsonl 2>>probe.log || code=$?
  same "exit code of ${*:2}" "$code" "$1"
}
once 0 openai whole anthropic gemini
once 1 other
once 69 busy
once 69 nobody
result() { jq -cs "map(select(.event == \"result\" and .probe == \"$1\")) | last | $2" lines.jsonl; }
for name in openai whole anthropic gemini; do
  same "$name" "$(result "$name" '[.outcome, .status, .answer]')" '["ok",200,"Noted."]'
done
same "tokens" "$(result openai '.input_tokens > 4 and .output_tokens > 0 and .cost_usd > 0')" true
same "the price of the house" "$(result whole '.model')" '"house-model"'
same "what is not as expected" "$(result other '[.outcome, .failed]')" '["mismatch",["equals","json_schema"]]'
same "a busy model" "$(result busy '[.outcome, .status]')" '["throttled",429]'
same "no such model" "$(result nobody '.outcome')" '"refused"'
sed -i "s/\"key\"/\"unknown\"/" probes.toml
once 69 openai
same "an unknown key" "$(result openai '[.outcome, .status]')" '["refused",401]'

# What the proxy wrote of them: use of the key as any other, until keyhound is told what it has sent itself. (Of models that answer by
# themselves LiteLLM logs nothing that is asked by Anthropic's API.)
logged() { [ "$(jq -rs 'map(select(.metadata.user_api_key_alias == "canary")) | length' payloads.jsonl)" -ge 6 ]; }
eventually 20 logged
printf '[[key]]\nkey = "canary"\ncanary = true\n' >canary.toml
"$keyhound" run -c canary.toml --encoding json payloads.jsonl >told.all 2>all.log || fail "keyhound run"
same "use of the key" "$(jq -rs 'map(.alert_type) | unique | join(" ")' told.all)" canary_key
"$keyhound" run -c canary.toml --encoding json lines.jsonl payloads.jsonl >told.known 2>known.log || fail "keyhound run, with its lines"
same "its own use of the key" "$(jq -rs 'map(select(.alert_type == "canary_key")) | length' told.known)" 0

# In a run: every second, while the log of the proxy is followed. Any use of this key but keyhound's own is told.
{
  cat canary.toml
  probe steady openai claude-sonnet-4-5 'every_seconds = 1\nrecheck_seconds = 1'
  probe failing openai busy-model 'every_seconds = 1\nrecheck_seconds = 1'
} >run.toml
lines="$(wc -l <payloads.jsonl)"
start tail.log tail -n "+$((lines + 1))" -F payloads.jsonl
tail=$server
page="127.0.0.1:$(free_port)"
start run.log "$keyhound" run -c run.toml --follow tail.log --output alerts --metrics "$page" --state state
run=$server
metric() { curl -sf "http://$page/metrics" | sed -n "s/^$1 //p"; }
recognised() { [ "$(metric keyhound_probe_requests_recognised_total)" -ge 5 ]; }
eventually 60 recognised
events() { [ -s alerts ] && cat alerts; }
told() { events | jq -es --arg type "$1" --arg status "$2" 'any(.alert_type == $type and .status == $status)'; }
eventually 60 told probe_failing open
same "what is told of the failing one" "$(jq -rs 'map(select(.alert_type == "probe_failing"))[0] | "\(.class) \(.api_key_prefix) \(.evidence.outcome)"' alerts)" \
  "operational probe:failing throttled"
same "what else is told" "$(jq -rs 'map(.alert_type) | unique | join(" ")' alerts)" probe_failing
# A thief copies what the client of a canary calls itself, as the log shows it.
client="$(jq -rs 'map(select(.status == "success").user_agent) | last' payloads.jsonl)"
[[ "$client" == keyhound-probe/* ]] || fail "the client of a canary: $client"
curl -s -o answer "http://127.0.0.1:$port/v1/chat/completions" -H "authorization: Bearer $key" -H "user-agent: $client" \
  -H 'content-type: application/json' -d '{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"steal"}]}'
eventually 30 told canary_key open
same "use of the key by others" "$(jq -rs 'map(select(.alert_type == "canary_key"))[0].requests' alerts)" 1
stop "$run" || fail "keyhound run"
stop "$tail" || true
stop "$proxy" || true
shown="$(grep -lF -f key lines.jsonl probe.log alerts run.log check.log told.all all.log || true)"
same "outputs with the key in them" "$shown" ""
echo "ok: litellm $version: $(grep -c '"event":"asked"' lines.jsonl) canaries once, by three APIs; $(jq -cs 'length' alerts) events of a run, the copy of one told"
