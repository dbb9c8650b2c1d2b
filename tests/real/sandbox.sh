#!/usr/bin/env bash
# What a run has given up, looked at from outside by somebody who is not root: environment and memory are shut, no core file is
# left; with --no-sandbox they are open.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need setpriv curl
[ "$(id -u)" -eq 0 ] || fail "to become nobody, be root"
as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
nobody() { "${as_nobody[@]}" "$@"; }
cp "$keyhound" "$work/keyhound"
chmod 755 "$work" "$work/keyhound"
mkdir "$work/home"
chown 65534:65534 "$work/home"
cd "$work/home"
ulimit -c unlimited

# begin PORT ARGUMENT…: a run of nobody's.
begin() {
  local port="$1"
  shift
  mkfifo "$work/pipe.$port"
  exec 8<>"$work/pipe.$port"
  SECRET=EXAMPLE-in-the-environment start "$work/run.log" "${as_nobody[@]}" "$work/keyhound" run --metrics "127.0.0.1:$port" --state "$work/home/state.$port" \
    --output "$work/home/alerts.$port" "$@" <"$work/pipe.$port"
  eventually 20 curl -sf "http://127.0.0.1:$port/healthz"
}
force() { curl -s "http://127.0.0.1:$1/metrics" | awk '/^keyhound_sandbox_in_force/ { print $2 }' | paste -sd ' '; }
sees() { nobody grep -qz 'EXAMPLE-in-the-environment' "/proc/$server/environ" 2>/dev/null; }

port="$(free_port)"
begin "$port" --no-sandbox
same "in force with --no-sandbox" "$(force "$port")" "0 0 0"
sees || fail "what is to be shut is not open without it, so nothing is tried here"
stop "$server" || fail "the run with --no-sandbox"

port="$(free_port)"
begin "$port"
parts="$(force "$port")"
[[ "$parts" == *" 1 1" ]] || fail "in force: $parts"
same "seccomp" "$(awk '/^Seccomp:/ { print $2 }' "/proc/$server/status")" 2
same "no new rights" "$(awk '/^NoNewPrivs:/ { print $2 }' "/proc/$server/status")" 1
same "whose its files in /proc are" "$(stat -c %U "/proc/$server/environ")" root
! sees || fail "the environment is open"
nobody head -c 1 "/proc/$server/mem" 2>/dev/null && fail "the memory is open"
same "core files" "$(awk '/^Max core file size/ { print $5 $6 }' "/proc/$server/limits")" 00
cat "$root/config/examples/stolen-key.jsonl" >&8
told() { [ "$(wc -l <"$work/home/alerts.$port")" -gt 5 ]; }
eventually 20 told
kill -ABRT "$server"
wait "$server" 2>/dev/null || true
same "files that an abort left" "$(find "$work/home" -name 'core*')" ""
echo "ok: sandbox: landlock, seccomp, undumpable $parts (kernel $(uname -r)); alerts of a theft; environment and memory shut"
