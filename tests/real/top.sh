#!/usr/bin/env bash
# `keyhound top` in a real terminal, which tmux is: what stands there, what keys do, and that the terminal is given back.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need tmux curl jq

example="$root/config/examples/stolen-key.jsonl"
export LC_ALL=C.UTF-8 TERM=xterm-256color
unset NO_COLOR CLICOLOR_FORCE
# A server of our own, which no configuration of anybody's reaches.
mux() { tmux -L "keyhound-$$" -f /dev/null "$@"; }
mux new-session -d -x 80 -y 24 -s it "bash --norc --noprofile"
servers+=("$(mux display-message -p -t it '#{pid}')")
type_in() { mux send-keys -t it -l "$1"; }
press() { mux send-keys -t it "$@"; }
screen() { mux capture-pane -p -t it >"$work/screen" && cat "$work/screen"; }
# shows TEXT: waits until it stands there.
shows() {
  local until=$((SECONDS + 20))
  until screen | grep -qF -- "$1"; do
    [ "$SECONDS" -lt "$until" ] || { cat "$work/screen" >&2; fail "the terminal does not show: $1"; }
    sleep 0.1
  done
}
hides() {
  local until=$((SECONDS + 20))
  while screen | grep -qF -- "$1"; do
    [ "$SECONDS" -lt "$until" ] || { cat "$work/screen" >&2; fail "the terminal still shows: $1"; }
    sleep 0.1
  done
}
# given_back CODE: the shell is there again, on its own screen, with its cursor, and hears what is typed.
in_shell() { [ "$(mux display -p -t it '#{pane_current_command}')" = bash ]; }
ends=0
given_back() {
  ends=$((ends + 1))
  eventually 20 in_shell
  type_in 'echo "code $? and $(stty -a | grep -o " -\?echo " | tr -d " ")"'
  press Enter
  shows "code $1 and echo"
  same "the alternate screen" "$(mux display -p -t it '#{alternate_on} #{cursor_flag}')" "0 1"
  press -R C-l
  type_in 'clear'
  press Enter
  hides "code $1 and echo"
}

# Records that would command a terminal.
evil=$'\e[2J\e]0;owned\a'
{
  cat "$example"
  jq -cn --arg evil "$evil" '{timestamp: "2026-07-01T17:50:00Z", api_key_prefix: "...e\u009b31m", api_key_alias: $evil, model: $evil,
    input_tokens: 9, output_tokens: 9, endpoint: "/v1/x", cost_usd: 3.5}'
} >"$work/records.jsonl"

# A replayed file, drilled down into.
type_in "$keyhound top $work/records.jsonl"
press Enter
shows "> anna-dev (...3f9c)"
shows "INCIDENTS (1)"
shows 'u{1b}[2J'
[ "$(screen | wc -L)" -le 80 ] || fail "wider than the terminal"
press Tab
press Enter
shows "LEDGER: 13.3 nats"
shows "probe"
press Enter
shows "KEY anna-dev (...3f9c)"
shows "WHO ELSE USES IT"
press Escape
shows "LEDGER"
press Escape
press Tab
type_in "/batch"
shows "KEYS by spend (1)"
press Enter
press Escape
shows "KEYS by spend (4)"
type_in "s"
shows "KEYS by risk (4)"
type_in "p"
shows "PAUSED"
mux resize-window -t it -x 60 -y 12
shows "KEYS by risk"
mux resize-window -t it -x 80 -y 24
same "the title" "$(mux display -p -t it '#{pane_title}' | grep -c owned)" 0
type_in "q"
given_back 0

# However it ends, the terminal is given back.
for signal in TERM HUP INT; do
  type_in "$keyhound top $work/records.jsonl"
  press Enter
  shows "INCIDENTS (1)"
  kill "-$signal" "$(pgrep -P "$(mux display -p -t it '#{pane_pid}')")"
  given_back 0
done
type_in "$keyhound top $work/records.jsonl"
press Enter
shows "INCIDENTS (1)"
press C-c
given_back 0
# Without colours nothing is coloured.
type_in "NO_COLOR=1 $keyhound top $work/records.jsonl"
press Enter
shows "INCIDENTS (1)"
! mux capture-pane -e -p -t it | grep -qE $'\e\\[[0-9;]*(3[0-7]|9[0-7]|7)m' || fail "colours in spite of NO_COLOR"
type_in "q"
given_back 0

# A running keyhound, by its API; and what becomes of the view when that goes.
port="$(free_port)"
printf '[incidents]\nenabled = true\n[api]\nrefresh_ms = 200\n' >"$work/c.toml"
mkfifo "$work/pipe"
exec 8<>"$work/pipe"
start "$work/keyhound.log" "$keyhound" run -c "$work/c.toml" --api "127.0.0.1:$port" --output "$work/alerts" <"$work/pipe" 8>&-
exec 9>"$work/pipe" 8>&-
eventually 10 curl -sf "http://127.0.0.1:$port/api/v1/status"
type_in "$keyhound top --url http://127.0.0.1:$port"
press Enter
shows "records 0 "
cat "$work/records.jsonl" >&9
shows "INCIDENTS (1)"
shows "anna-dev (...3f9c)"
press Enter
shows "TIMELINE"
stop "$server" || true
press Escape
shows "Connection refused"
type_in "q"
given_back 0

# Where nobody looks, one plain table; records through a pipe, keys from the terminal.
"$keyhound" top "$work/records.jsonl" >"$work/table"
grep -q '^INCIDENTS (1)$' "$work/table" && grep -q 'anna-dev' "$work/table" || fail "no table"
! grep -q $'[\e\a]' "$work/table" || fail "a table that commands terminals"
code=0
"$keyhound" top --url "http://127.0.0.1:$port" >"$work/out" 2>"$work/err" || code=$?
same "nobody there" "$code" 69
type_in "cat $work/records.jsonl | $keyhound top -"
press Enter
shows "INCIDENTS (1)"
type_in "q"
given_back 0

echo "ok: $(tmux -V): a file, a pipe and an API were watched, and the terminal was given back $ends times"
