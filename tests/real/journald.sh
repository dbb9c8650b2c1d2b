#!/usr/bin/env bash
# A journal, as journalctl gives it: messages of every kind are records, and what journalctl leaves out is told.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need journalctl jq
remote=/lib/systemd/systemd-journal-remote
[ -x "$remote" ] || fail "no systemd-journal-remote here; tests/real/run as root installs what is needed"

# entry NUMBER MESSAGE…: an entry in the journal's export format, each message with its length before it.
entry() {
  local number="$1" message length byte
  shift
  printf '__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n' "$((1780304400000000 + number))" "$((1000 + number))"
  printf '_BOOT_ID=0123456789abcdef0123456789abcdef\n_SYSTEMD_UNIT=assistant.service\nPRIORITY=6\n'
  for message in "$@"; do
    length="$(printf '%b' "$message" | wc -c)"
    printf 'MESSAGE\n'
    for byte in 0 8 16 24 32 40 48 56; do printf '%b' "\\x$(printf %02x $((length >> byte & 255)))"; done
    printf '%b\n' "$message"
  done
  printf '\n'
}

record() {
  printf '{"timestamp":"2026-06-01T09:00:%02dZ","api_key_prefix":"...3f9c","model":"gpt-4o","input_tokens":10,"output_tokens":1%s}' "$1" "$2"
}

long="$(printf 'x%.0s' $(seq 5000))"
{
  for number in $(seq 10 29); do entry "$number" "$(record "$number" '')"; done
  entry 30 "$(record 30 ',"user_agent":"klient/1 žluťoučký 🐕"')"
  # A character that no terminal shows makes journalctl write a list of bytes.
  entry 31 "$(record 31 ',"user_agent":"a\x7fb"')"
  entry 32 "$(record 32 ",\"note\":\"$long\"")"
  entry 33 "$(record 33 '')" "$(record 34 '')"
  entry 35 '\xff\xfe binary'
  entry 36 'assistant started'
} >"$work/export"
"$remote" --output="$work/test.journal" - <"$work/export" >"$work/remote.log" 2>&1 || fail "systemd-journal-remote"
read_journal() { journalctl --file "$work/test.journal" --output json --quiet "$@"; }
same "entries" "$(read_journal --all | wc -l)" 26
same "lists of bytes" "$(read_journal --all | jq -c 'select(.MESSAGE | type == "array" and (.[0] | type == "number"))' | wc -l)" 2

# run [ARGUMENT…]: what keyhound says of the journal that journalctl gives with these arguments.
run() {
  rm -f "$work/rejects"
  read_journal "$@" | "$keyhound" run --rejects "$work/rejects" --output "$work/alerts" 2>"$work/said.log" ||
    fail "keyhound"
}
summary() { grep -o '^read .* rejected' "$work/said.log"; }
reasons() { jq -r .reason "$work/rejects" | sort | paste -sd ' '; }

run --all
same "with --all" "$(summary)" "read 27 = 25 processed + 0 duplicate + 0 late + 2 rejected"
same "with --all, rejects" "$(reasons)" "not_utf8 unrecognised"
run
same "without --all" "$(summary)" "read 27 = 24 processed + 0 duplicate + 0 late + 3 rejected"
same "without --all, rejects" "$(reasons)" "bad_wrapper not_utf8 unrecognised"
grep -q 'over 4096 bytes; add --all' "$work/said.log" || fail "the remedy for a message left out is not told"

# Read by its cursor: killed, and gone on with where it stopped.
printf '[checkpoint]\ninterval_ms = 20\ntime_percent_max = 100\n' >"$work/often.toml"
follow() {
  "$keyhound" run --config "$work/often.toml" --journal "--file $work/test.journal" --state "$work/state" \
    --output "$work/alerts-kept" --rejects "$work/rejects-kept" 2>>"$work/said.log" &
  reader=$!
}
# told COUNT: waits until so many rejects are kept.
told() {
  for _ in $(seq 200); do
    [ -e "$work/rejects-kept" ] && [ "$(wc -l <"$work/rejects-kept")" -ge "$1" ] && return
    sleep 0.05
  done
  fail "$1 rejects were to be kept: $(tail -n 3 "$work/said.log")"
}
follow
told 2
# Quiet inputs are looked at every second.
sleep 1.5
kill -9 "$reader"
wait "$reader" 2>/dev/null || true
{ entry 37 "$(record 37 '')"; entry 38 'assistant stopped'; } | "$remote" --output="$work/test.journal" - >>"$work/remote.log" 2>&1
follow
told 3
sleep 0.3
kill -TERM "$reader"
wait "$reader" || fail "keyhound, stopped"
same "rejects over a crash" "$(jq -r .reason "$work/rejects-kept" | sort | paste -sd ' ')" "not_utf8 unrecognised unrecognised"
same "read after the crash" "$(summary | tail -n 1)" "read 2 = 1 processed + 0 duplicate + 0 late + 1 rejected"
echo "ok: journald $(journalctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p'): 25 records of 26 entries; without --all the one over 4096 bytes is missed and said so; by its cursor each once through kill -9"
