#!/usr/bin/env bash
# What deploy/ ships for other programs: rsyslog and syslog-ng bring records and take alerts to a receiver, Alertmanager routes.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need rsyslogd logger curl jq amtool

told="$(amtool check-config "$root/deploy/alertmanager/alertmanager.yml" 2>&1)" || fail "amtool: $told"
# route EXPECTED LABEL…
route() {
  local expected="$1"
  shift
  same "route of $*" "$(amtool config routes test --config.file="$root/deploy/alertmanager/alertmanager.yml" "$@" 2>/dev/null)" "$expected"
}
route dead-mans-switch alertname=KeyhoundWatchdog severity=none
route security-page alertname=KeyhoundIncidentCritical severity=critical class=compromise
route security alertname=KeyhoundIncidentHigh severity=warning class=compromise
route operations-page alertname=KeyhoundDiskFull severity=critical
route operations alertname=KeyhoundLag severity=warning

example="$root/config/examples/stolen-key.jsonl"
lines="$(wc -l <"$example")"
# place FILE: the snippet as it is shipped, with the folders and the receiver of this test.
place() {
  sed "s,/var/log/ai-gateway,$dir,g; s,/var/log/keyhound,$dir,g; s,siem.example.org,127.0.0.1,; s,601,$siem," "$1"
}
have() { [ -e "$1" ] && [ "$(wc -l <"$1")" -ge "$2" ]; }
# through NAME SOCKET: sends the example by logger, lets keyhound follow what becomes of it, and looks at what the receiver got.
through() {
  local port alerts
  logger --socket "$2" --size 60000 --tag assistant <"$example"
  logger --socket "$2" --tag sshd "session opened for user root: not a record"
  eventually 20 have "$dir/usage.jsonl" "$lines"
  port="$(free_port)"
  start "$work/$1-keyhound.log" "$keyhound" run --follow "$dir/usage.jsonl" --output "$dir/alerts.jsonl" --metrics "127.0.0.1:$port"
  local follow=$server
  all_read() { curl -s "http://127.0.0.1:$port/metrics" | grep -qx "keyhound_source_lines_total $lines"; }
  eventually 30 all_read
  stop "$follow" || fail "keyhound after $1"
  same "$1, records" "$(grep -o '^read .* rejected' "$work/$1-keyhound.log")" \
    "read $lines = $((lines - 2)) processed + 2 duplicate + 0 late + 0 rejected"
  alerts="$(wc -l <"$dir/alerts.jsonl")"
  [ "$alerts" -gt 0 ] || fail "$1: no alerts of a theft"
  eventually 20 have "$dir/siem" "$alerts"
  same "$1, alerts at the receiver" "$(sed 's/^[^{]*//' "$dir/siem" | jq -c . | sort | sha256sum)" "$(jq -c . <"$dir/alerts.jsonl" | sort | sha256sum)"
  results+=("$1: $lines records in, $alerts alerts out")
}
results=()

dir="$work/rsyslog" siem="$(free_port)"
mkdir "$dir"
place "$root/deploy/rsyslog/keyhound.conf" >"$dir/keyhound.conf"
cat >"$dir/rsyslog.conf" <<CONFIG
global(workDirectory="$dir" maxMessageSize="64k")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="$dir/socket" CreatePath="off" RateLimit.Interval="0")
module(load="imtcp")
template(name="asItIs" type="string" string="%msg%\n")
ruleset(name="siem") { action(type="omfile" file="$dir/siem" template="asItIs") }
input(type="imtcp" port="$siem" address="127.0.0.1" ruleset="siem")
include(file="$dir/keyhound.conf")
CONFIG
rsyslogd -N1 -f "$dir/rsyslog.conf" >"$work/rsyslog-check.log" 2>&1 || fail "rsyslog's configuration"
start "$work/rsyslogd.log" rsyslogd -n -f "$dir/rsyslog.conf" -i "$dir/pid"
daemon=$server
eventually 10 test -S "$dir/socket"
through rsyslog "$dir/socket"
stop "$daemon" || true

# rsyslog and syslog-ng cannot be installed side by side: of the other one the files are enough.
dir="$work/syslog-ng" siem="$(free_port)"
mkdir "$dir"
syslog_ng="$(command -v syslog-ng || true)"
modules=()
if [ -z "$syslog_ng" ] && command -v apt-get >/dev/null && mkdir "$dir/packages" &&
  (cd "$dir/packages" && apt-get download -qq syslog-ng-core libivykis0 libnet1 libpcre3 libwrap0 >/dev/null 2>&1); then
  for package in "$dir"/packages/*.deb; do dpkg-deb -x "$package" "$dir/installed"; done
  syslog_ng="$dir/installed/usr/sbin/syslog-ng"
  libraries="$(dirname "$(find "$dir/installed" -name 'libsyslog-ng-*.so.*' | head -n 1)")"
  also="$(find "$dir/installed" -name 'lib*.so.*' -printf '%h\n' | sort -u | paste -sd :)"
  export LD_LIBRARY_PATH="$libraries:$also"
  modules=(--module-path="$(find "$dir/installed/usr/lib/syslog-ng" -mindepth 1 -maxdepth 1 -type d | head -n 1)")
fi
[ -n "$syslog_ng" ] || fail "no syslog-ng here, and no apt-get that fetches it"
place "$root/deploy/syslog-ng/keyhound.conf" >"$dir/keyhound.conf"
cat >"$dir/syslog-ng.conf" <<CONFIG
@version: 3.38
options { log-msg-size(65536); };
source s_src { unix-dgram("$dir/socket"); };
source s_siem { syslog(ip(127.0.0.1) port($siem) transport("tcp")); };
destination d_siem { file("$dir/siem" template("\${MESSAGE}\n")); };
log { source(s_siem); destination(d_siem); };
@include "$dir/keyhound.conf"
CONFIG
run_syslog_ng() {
  "$syslog_ng" --foreground --no-caps --cfgfile="$dir/syslog-ng.conf" --persist-file="$dir/persist" --pidfile="$dir/pid" --control="$dir/control" "${modules[@]}" "$@"
}
run_syslog_ng --syntax-only >"$work/syslog-ng-check.log" 2>&1 || fail "syslog-ng's configuration"
version="$("$syslog_ng" --version "${modules[@]}" 2>/dev/null | sed -n '1s/.*(\(.*\)).*/\1/p')"
start "$work/syslog-ng.log" run_syslog_ng
eventually 10 test -S "$dir/socket"
through syslog-ng "$dir/socket"
echo "ok: shippers: amtool routes as meant; $(IFS=';'; echo "${results[*]}") (rsyslog $(LD_LIBRARY_PATH='' rsyslogd -v | sed -n '1s/rsyslogd *\([^ ]*\).*/\1/p'), syslog-ng $version)"
