#!/usr/bin/env bash
# The units of deploy/systemd, as systemd itself judges them.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need systemd-analyze

scores=()
for unit in "$root"/deploy/systemd/*.service; do
  name="$(basename "$unit")"
  # Where the package puts the program there is none on this machine.
  sed "s,/usr/bin/keyhound,$keyhound,g" "$unit" >"$work/$name"
  told="$(systemd-analyze verify --man=no "$work/$name" 2>&1)" || fail "verify $name: $told"
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
same "units" "${#scores[@]}" 2
echo "ok: systemd $(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p'): verified; exposure $(printf '%s, ' "${scores[@]}" | sed 's/, $//')"
