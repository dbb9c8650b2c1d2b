#!/usr/bin/env bash
# A browser looks into a running keyhound: what stands in the page is what happened, and what stands in records stays text.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need chromium curl jq

example="$root/config/examples/stolen-key.jsonl"
lines="$(wc -l <"$example")"
port="$(free_port)"
site="http://127.0.0.1:$port"
printf '[incidents]\nenabled = true\n[api]\nrefresh_ms = 200\n' >"$work/c.toml"
mkfifo "$work/pipe"
exec 8<>"$work/pipe"
start "$work/keyhound.log" "$keyhound" run -c "$work/c.toml" --api "127.0.0.1:$port" --output "$work/alerts" <"$work/pipe" 8>&-
exec 9>"$work/pipe" 8>&-
eventually 10 curl -sf "$site/api/v1/status"
cat "$example" >&9
# Every field that is shown tries to be markup, a script or a command.
jq -cn '{timestamp: "2026-07-01T17:50:00Z", api_key_prefix: "...<b>x", api_key_alias: "<img src=x onerror=\"document.title=1\">",
  model: "<script>document.title=2</script>", source_ip: "<svg onload=document.title=3>", user_agent: "</script><h1>owned",
  input_tokens: 9, output_tokens: 9, endpoint: "/v1/\u202e", cost_usd: 3.5}' >&9
jq -cn '{timestamp: "<i>never", api_key_prefix: "...<b>x", model: "m", input_tokens: 1, output_tokens: 1, endpoint: "/"}' >&9
all_seen() { [ "$(curl -s "$site/api/v1/status" | jq .input.lines)" = $((lines + 2)) ] && [ "$(curl -s "$site/api/v1/keys" | jq '.keys | length')" = 4 ]; }
eventually 30 all_seen

number=0
# look HASH: what stands in the page by then, as elements, in $dom; what the browser complains of fails.
look() {
  number=$((number + 1))
  local sandbox=()
  [ "$(id -u)" -ne 0 ] || sandbox=(--no-sandbox)
  timeout 60 chromium --headless "${sandbox[@]}" --disable-gpu --user-data-dir="$work/profile-$number" --enable-logging=stderr \
    --virtual-time-budget=4000 --dump-dom "$site/$1" >"$work/dom" 2>"$work/browser.log" || fail "chromium: $?"
  dom="$(cat "$work/dom")"
  ! grep -q 'CONSOLE' "$work/browser.log" || fail "the browser complains"
}
holds() { grep -qF -- "$1" "$work/dom" || fail "the page does not hold: $1"; }

look ""
incident="$(curl -s "$site/api/v1/incidents" | jq -r '.events[0].id')"
holds '<title>(1) keyhound</title>'
holds "href=\"#incident/$incident\""
holds 'anna-dev (...3f9c)'
holds "$(curl -s "$site/api/v1/incidents" | jq -r '.events[0].description' | sed 's/&/\&amp;/g')"
for name in 'At a glance' 'Incidents' 'Keys by spend' 'Latest alerts'; do holds "aria-label=\"$name\""; done
for alert in $(jq -r 'select(.event == "alert").alert_type' "$work/alerts" | sort -u); do holds ">$alert<"; done
holds '1 rejected'
# Markup in records is text.
holds '&lt;img src=x onerror="document.title=1"&gt; (...&lt;b&gt;x)'
! grep -qE '<(img|b>x|h1>owned|svg onload)' "$work/dom" || fail "a record became markup"
same "landmarks" "$(grep -oE '<(header|main|footer)[ >]' "$work/dom" | wc -l)" 3

look "#incident/$incident"
holds 'Incident of anna-dev (...3f9c)'
curl -s "$site/api/v1/incidents/$incident" | jq -r '.incident.ledger[].term' | tr _ ' ' >"$work/terms"
[ "$(wc -l <"$work/terms")" -ge 5 ] || fail "a ledger of $(wc -l <"$work/terms") terms"
while read -r term; do holds ">$term<"; done <"$work/terms"

key="$(curl -s "$site/api/v1/keys" | jq -r '.keys[] | select(.api_key_prefix == "...3f9c").key_id')"
look "#key/$key"
holds 'Key anna-dev (...3f9c)'
holds "$key"
same "moments" "$(grep -o '<li><span class="t">' "$work/dom" | wc -l)" "$(curl -s "$site/api/v1/keys/$key" | jq '.timeline | length')"
hostile="$(curl -s "$site/api/v1/keys" | jq -r '.keys[] | select(.api_key_prefix == "...<b>x").key_id')"
look "#key/$hostile"
holds '&lt;script&gt;document.title=2&lt;/script&gt;'
holds '<title>(1) keyhound</title>'
look '#key/<img src=x onerror=alert(1)>'
holds 'a key is asked for by its `key_id`'

# Nothing from elsewhere, and nothing that may act but what is its own.
curl -sD "$work/head" "$site/" -o "$work/page"
! grep -qE '(src|href)="?(https?:)?//' "$work/page" || fail "the page names another place"
policy="$(grep -i '^content-security-policy:' "$work/head")"
for part in "default-src 'none'" "script-src 'sha256-" "style-src 'sha256-" "frame-ancestors 'none'" "trusted-types 'none'"; do
  [[ "$policy" == *"$part"* ]] || fail "the policy lacks $part: $policy"
done
[[ "$policy" != *unsafe* ]] || fail "$policy"

exec 9>&-
echo "ok: $(chromium --version | cut -d' ' -f1-2): $number looks, an incident with $(wc -l <"$work/terms") terms, no markup from records"
