#!/usr/bin/env bash
# A real LiteLLM proxy with its keys in a real PostgreSQL: a stolen key is found among them, blocked within seconds of its use and
# refused from then on, its budget lowered; both are undone. The proxy's own account of the use is pulled.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3 node npm psql setpriv curl jq
folder="$root/tests/real/contain"
list="$root/tests/real/litellm/requirements.txt"
environment "litellm-$(sed -n 's/^litellm==//p' "$list")" "$root/tests/real/litellm"
packages="$(ls -d "$venv"/lib/python3*/site-packages)"
cd "$work"

# What the database is asked through: installed once for all runs.
engine="$(dirname "$venv")/prisma-$(jq -r '.dependencies.prisma' "$folder/package.json")"
if ! cmp -s "$folder/package-lock.json" "$engine/done"; then
  rm -rf "$engine"
  mkdir -p "$engine"
  cp "$folder/package.json" "$folder/package-lock.json" "$engine"
  (cd "$engine" && npm ci --ignore-scripts --no-audit --no-fund) >npm.log 2>&1 || fail "npm ci"
  cp "$folder/package-lock.json" "$engine/done"
fi
export PATH="$venv/bin:$PATH" NODE_PATH="$engine/node_modules" PRISMA_QUERY_ENGINE_BINARY="$folder/query-engine"
# The generator wants an engine of each kind to be there, and names for versions that it was not made for.
export PRISMA_QUERY_ENGINE_LIBRARY="$PRISMA_QUERY_ENGINE_BINARY" PRISMA_SCHEMA_ENGINE_BINARY="$PRISMA_QUERY_ENGINE_BINARY"
export PRISMA_CLI_QUERY_ENGINE_TYPE=binary PRISMA_PY_DEBUG_GENERATOR=1 PRISMA_HIDE_UPDATE_MESSAGE=1 CHECKPOINT_DISABLE=1
PRISMA_ENGINE_HASH="$(jq -r .prisma.enginesVersion "$engine/node_modules/@prisma/engines-version/package.json")"
export PRISMA_ENGINE_HASH="${PRISMA_ENGINE_HASH##*.}"

programs="$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)"
as=()
data="$work/data"
mkdir "$data"
# PostgreSQL does not run as root.
if [ "$(id -u)" -eq 0 ]; then
  as=(setpriv --reuid=postgres --regid=postgres --init-groups)
  chmod 711 "$work"
  chown postgres "$data"
fi
database="$(free_port)"
"${as[@]}" "$programs/initdb" --auth=trust --username=keyhound -D "$data/db" >initdb.log 2>&1 || fail initdb
start postgres.log "${as[@]}" "$programs/postgres" -D "$data/db" -p "$database" -k "$data" -c listen_addresses=127.0.0.1 -c fsync=off
postgres=$server
export DATABASE_URL="postgresql://keyhound@127.0.0.1:$database/litellm"
eventually 20 psql -qd "${DATABASE_URL%/*}/postgres" -c 'create database litellm'
for migration in "$packages"/litellm_proxy_extras/migrations/*/migration.sql; do
  psql -qv ON_ERROR_STOP=1 -d "$DATABASE_URL" -f "$migration" >migration.log 2>&1 || fail "$migration"
done
sed '/binaryTargets/d' "$packages/litellm/proxy/schema.prisma" >schema.prisma
node "$engine/node_modules/prisma/build/index.js" generate --schema schema.prisma >generate.log 2>&1 || fail "prisma generate"

random() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
LITELLM_MASTER_KEY="sk-$(random)"
export LITELLM_MASTER_KEY LITELLM_LOCAL_MODEL_COST_MAP=True DISABLE_SCHEMA_UPDATE=true PROXY_BATCH_WRITE_AT=1 PYTHONDONTWRITEBYTECODE=1
(umask 077 && echo "$LITELLM_MASTER_KEY" >key)
cat >proxy.yaml <<CONFIG
model_list:
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: none, mock_response: "Noted."}
CONFIG
port="$(free_port)"
proxy="http://127.0.0.1:$port"
start proxy.log "$venv/bin/litellm" --config proxy.yaml --host 127.0.0.1 --port "$port" --telemetry False
litellm=$server
eventually 90 curl -sf "$proxy/health/liveliness"

# made NAME [MEMBERS]: a virtual key.
made() {
  curl -sf "$proxy/key/generate" -H "authorization: Bearer $LITELLM_MASTER_KEY" -H 'content-type: application/json' \
    -d "{\"key_alias\":\"$1\"${2:-}}" | jq -er .key || fail "no key $1"
}
for number in $(seq 120); do made "other-$number" >/dev/null; done
stolen="$(made ci-1 ',"max_budget":100')"
free="$(made ci-2)"
precious="$(made prod-1)"
hash() { printf %s "$1" | sha256sum | cut -c1-64; }
# asks KEY: the status of one request.
asks() {
  curl -s -o answer -w '%{http_code}' "$proxy/v1/chat/completions" -H "authorization: Bearer $1" -H 'content-type: application/json' \
    -d '{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}]}'
}
stands() { curl -sf "$proxy/key/info?key=$(hash "$1")" -H "authorization: Bearer $LITELLM_MASTER_KEY" | jq -c '[.info.blocked == true, .info.max_budget]'; }
for key in "$stolen" "$free" "$precious"; do same "a key that nobody has stolen" "$(asks "$key")" 200; done

# Keys that nobody may use: one use of each is an incident that is sure by itself.
{
  printf '[incidents]\nenabled = true\n[containment]\nactions_per_day_max = 4\nprotect = ["prod-*"]\n'
  for key in "$stolen" "$free" "$precious"; do printf '[[key]]\nkey = "...%s"\ncanary = true\n' "$(hash "$key" | cut -c61-64)"; done
  for rule in block budget; do
    printf '[[contain]]\nname = "%s"\naction = "litellm_%s"\nurl = "%s"\nkey_file = "key"\ndry_run = false\nthen = "continue"\n' "$rule" "$rule" "$proxy"
  done
  printf 'limit_usd = 1.5\n'
} >keyhound.toml
"$keyhound" contain test -c keyhound.toml >tested 2>tested.log || fail "keyhound contain test"
same "rules that are heard" "$(grep -c 'answered 200' tested)" 2
: >records.jsonl
start keyhound.log "$keyhound" run -c keyhound.toml --state state -o alerts --follow records.jsonl
run=$server
used() {
  jq -nc --arg at "$(date -u +%Y-%m-%dT%H:%M:%SZ)" --arg key "$(hash "$1")" \
    '{timestamp: $at, api_key_prefix: $key, model: "gpt-4o", input_tokens: 9, output_tokens: 1, source_ip: "203.0.113.9"}' >>records.jsonl
}
came_to() { grep -c "\"status\":\"$1\"" state/contain/journal.jsonl 2>/dev/null | grep -qx "$2"; }
began="$(date +%s%N)"
used "$stolen"
refused() { [ "$(asks "$stolen")" = 401 ]; }
eventually 20 refused
took=$((($(date +%s%N) - began) / 1000000))
grep -q 'Key is blocked' answer || fail "refused for another reason: $(cat answer)"
used "$free"
eventually 20 came_to done 4
used "$precious"
eventually 20 came_to refused 2
stop "$run" || fail "keyhound run"
same "the stolen key" "$(stands "$stolen")" "[true,1.5]"
same "the one without a budget" "$(stands "$free")" "[true,1.5]"
same "the protected one" "$(stands "$precious") $(asks "$precious")" "[false,null] 200"
same "the others" "$(asks "$(made later)")" 200

"$keyhound" contain list --state state --json >listed || fail "keyhound contain list"
for id in $(jq -r 'select(.status == "done") | .id' listed); do
  "$keyhound" contain undo "$id" -c keyhound.toml --state state --yes >undone 2>undone.log || fail "keyhound contain undo"
done
same "the stolen key, undone" "$(stands "$stolen") $(asks "$stolen")" "[false,100] 200"
same "the one without a budget, undone" "$(stands "$free") $(asks "$free")" "[false,null] 200"
"$keyhound" investigate --quiet --json -c keyhound.toml --key "...$(hash "$stolen" | cut -c61-64)" records.jsonl state/contain/journal.jsonl >report 2>report.log ||
  fail "keyhound investigate"
same "revoked at" "$(jq -r .verdict.revoked_at report)" "$(jq -r --arg key "$(hash "$stolen")" 'select(.status == "done" and .rule == "block" and .provider_key == $key) | .at' listed)"

# The use as the proxy itself has it in its database.
pulled() {
  "$keyhound" pull litellm_spend --url "$proxy" --key-file key --since 1h >pulled 2>pulled.log &&
    [ "$(jq -r --arg key "$(hash "$stolen")" 'select(.api_key == $key) | .request_id' pulled | sort -u | wc -l)" -ge 2 ]
}
eventually 30 pulled
# A database waits for those who are connected.
stop "$litellm" || true
stop "$postgres" || true
! grep -rqF -e "$LITELLM_MASTER_KEY" -e "$stolen" state alerts keyhound.log listed pulled || fail "a key is told"
echo "ok: contain: LiteLLM $(sed -n 's/^litellm==//p' "$list") with PostgreSQL: one of 124 keys blocked $took ms after its use, budgets lowered, a protected one left, all undone; $(wc -l <pulled) rows of spend pulled"
