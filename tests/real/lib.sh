# What the scripts beside this file share: sourced, not run.
# shellcheck shell=bash
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
keyhound="$(realpath -m "${KEYHOUND:-$root/target/release/keyhound}")"
[ -x "$keyhound" ] || { echo "no keyhound at $keyhound: set KEYHOUND, or cargo build --release" >&2; exit 2; }

work="$(mktemp -d)"
servers=()

# start LOG COMMAND…: runs a server until the script ends; its process id is in $server.
start() {
  local log="$1"
  shift
  # Without being told, a shell gives a background command an empty input.
  "$@" <&0 >"$log" 2>&1 &
  server=$!
  servers+=("$server")
}

# stop PID: asks a process to end, waits for it, and answers with its exit code.
stop() {
  kill "$1" 2>/dev/null || true
  local tries=0
  while kill -0 "$1" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || kill -9 "$1" 2>/dev/null || true
    sleep 0.1
  done
  wait "$1" 2>/dev/null
}

# environment NAME FOLDER: a Python of its own with what FOLDER/requirements.txt lists, kept for the next time, in $venv.
environment() {
  venv="$(realpath -m "${KEYHOUND_CACHE:-$root/target/real}")/$1"
  # The copy of the list is written last: an installation that was interrupted has none and is made anew.
  cmp -s "$2/requirements.txt" "$venv/requirements.txt" && return
  rm -rf "$venv"
  python3 -m venv "$venv" >"$work/venv.log" 2>&1 || fail "python3 -m venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$2/requirements.txt" >"$work/pip.log" 2>&1 ||
    fail "pip install"
  cp "$2/requirements.txt" "$venv/requirements.txt"
}

clean_up() {
  local code=$?
  for pid in "${servers[@]}"; do stop "$pid" || true; done
  rm -rf "$work"
  exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# fail WORDS…: ends the script; shows the end of every log there is.
fail() {
  echo "failed: $*" >&2
  for log in "$work"/*.log; do
    [ -s "$log" ] || continue
    echo "--- $(basename "$log")" >&2
    tail -n 20 "$log" >&2
  done
  exit 1
}

# same WHAT GOT EXPECTED
same() {
  [ "$2" = "$3" ] || fail "$1: got '$2', expected '$3'"
}

# eventually SECONDS COMMAND…: until the command succeeds.
eventually() {
  local until=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$until" ] || fail "in vain: $*"
    sleep 0.1
  done
}

# A port of the loopback on which nobody listens.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}

# need COMMAND…
need() {
  for command in "$@"; do
    command -v "$command" >/dev/null || fail "no $command here; tests/real/run as root installs what is needed"
  done
}
