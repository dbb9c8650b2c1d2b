#!/usr/bin/env bash
# The units of deploy/systemd, as systemd itself judges them.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need systemd-analyze

scores=()
# The units name each other.
for unit in "$root"/deploy/systemd/*; do
  # Where the package puts the program there is none on this machine.
  sed "s,/usr/bin/keyhound,$keyhound,g" "$unit" >"$work/$(basename "$unit")"
done
told="$(SYSTEMD_UNIT_PATH="$work:" systemd-analyze verify --man=no "$work/keyhound.socket" 2>&1)" || fail "verify keyhound.socket: $told"
same "verify keyhound.socket" "$(grep -F keyhound.socket <<<"$told" || true)" ""
for unit in "$root"/deploy/systemd/*.service; do
  name="$(basename "$unit")"
  told="$(SYSTEMD_UNIT_PATH="$work:" systemd-analyze verify --man=no "$work/$name" 2>&1)" || fail "verify $name: $told"
  same "verify $name" "$(grep -F "$name" <<<"$told" || true)" ""
  score="$(systemd-analyze security --offline=yes --no-pager "$unit" 2>/dev/null | sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p')"
  [ -n "$score" ] || fail "no score of $name"
  awk -v score="$score" 'BEGIN { exit !(score <= 1.5) }' || fail "$name is exposed: $score"
  scores+=("$name $score")
  # The line that starts it is one that keyhound takes.
  line="$(sed -n 's/^ExecStart=//p' "$unit" | sed "s,%[SLt],$work,g; s,/etc/keyhound,$root/config,; s,/usr/bin/keyhound run,,
    s,\${KEYHOUND_JOURNAL},--unit=a.service,; s,\$KEYHOUND_INPUTS,$work/log,")"
  # shellcheck disable=SC2086
  "$keyhound" guarantees $line >"$work/said.log" 2>&1 || fail "$name: keyhound does not take $line"
done
same "units" "${#scores[@]}" 3

# A socket that was there before keyhound: what is posted meanwhile waits. systemd-socket-activate passes it as systemd does.
port="$(free_port)"
start "$work/socket.log" systemd-socket-activate --listen="127.0.0.1:$port" --fdname=records \
  "$keyhound" run --listen systemd:records --output "$work/alerts" --state "$work/posted"
holder=$server
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
eventually 10 grep -q 'Listening on' "$work/socket.log"
example="$root/config/examples/stolen-key.jsonl"
same "posted to the socket" "$(curl -sS --data-binary "@$example" "http://127.0.0.1:$port/" | grep -o '"records":[0-9]*')" "\"records\":$(wc -l <"$example")"
stop "$holder" || fail "keyhound at a socket of systemd"
[ "$(wc -l <"$work/alerts")" -gt 5 ] || fail "no alerts of what was posted to the socket"
echo "ok: systemd $(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p'): verified; exposure $(printf '%s, ' "${scores[@]}" | sed 's/, $//')"
