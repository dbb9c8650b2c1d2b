#!/usr/bin/env bash
# A private rsyslogd: records sent by logger are read from files in each of its formats, and through a rotation.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need rsyslogd logger curl

socket="$work/log.socket"
cat >"$work/rsyslog.conf" <<CONFIG
global(workDirectory="$work" maxMessageSize="64k")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="$socket" CreatePath="off" RateLimit.Interval="0")
action(type="omfile" file="$work/file" template="RSYSLOG_FileFormat")
action(type="omfile" file="$work/traditional" template="RSYSLOG_TraditionalFileFormat")
action(type="omfile" file="$work/protocol-23" template="RSYSLOG_SyslogProtocol23Format")
CONFIG
rsyslogd -N1 -f "$work/rsyslog.conf" >"$work/check.log" 2>&1 || fail "rsyslog's configuration"
start "$work/rsyslogd.log" rsyslogd -n -f "$work/rsyslog.conf" -i "$work/rsyslogd.pid"
rsyslogd=$server
eventually 10 test -S "$socket"

# send FROM TO: records of these numbers.
send() {
  for number in $(seq "$1" "$2"); do
    printf '{"timestamp":"2026-06-01T09:%02d:%02dZ","api_key_prefix":"...3f9c","model":"gpt-4o","input_tokens":%d,"output_tokens":1,"user_agent":"klient/1 žluťoučký: x","source_ip":"198.51.100.7","request_id":"req-%d"}\n' \
      "$((number / 60 % 60))" "$((number % 60))" "$number" "$number"
  done | logger --socket "$socket" --size 60000 --tag assistant --id
}
written() { [ "$(cat "$1"* | wc -l)" -ge "$2" ]; }

send 1 300
printf '{"timestamp":"2026-06-01T09:05:01Z","api_key_prefix":"...3f9c","model":"gpt-4o","input_tokens":1,"note":"%s"}\n' \
  "$(printf 'x%.0s' $(seq 9000))" | logger --socket "$socket" --size 60000 --tag assistant
logger --socket "$socket" --tag sshd "session opened for user root: not a record"
for format in file traditional protocol-23; do
  eventually 10 written "$work/$format" 302
  "$keyhound" run "$work/$format" --output "$work/alerts" 2>"$work/$format.log" || fail "keyhound on $format"
  same "$format" "$(grep -o '^read .* rejected' "$work/$format.log")" \
    "read 302 = 301 processed + 0 duplicate + 0 late + 1 rejected"
done

# As logrotate does it, three times in two seconds, while the records go on coming.
port="$(free_port)"
start "$work/follow.log" "$keyhound" run --follow "$work/file" --output "$work/alerts" --metrics "127.0.0.1:$port"
follow=$server
# A file that is renamed before it was ever seen is nobody's.
first_read() { curl -s "http://127.0.0.1:$port/metrics" | grep -qx 'keyhound_source_lines_total 302'; }
eventually 10 first_read
for turn in 1 2 3; do
  send "$((turn * 1000))" "$((turn * 1000 + 499))"
  mv "$work/file" "$work/rotated.$turn"
  send "$((turn * 1000 + 500))" "$((turn * 1000 + 599))"
  kill -HUP "$rsyslogd"
  # Records sent while rsyslogd opens its files anew.
  send "$((turn * 1000 + 600))" "$((turn * 1000 + 699))"
  eventually 10 test -e "$work/file"
  sleep 0.5
done
all_written() { [ "$(cat "$work/file" "$work"/rotated.* | wc -l)" -eq $((302 + 2100)) ]; }
eventually 10 all_written
# Each file that was renamed is watched for another two seconds.
all_read() { curl -s "http://127.0.0.1:$port/metrics" | grep -qx 'keyhound_source_lines_total 2402'; }
eventually 30 all_read
stop "$follow" || fail "keyhound --follow"
same "through the rotation" "$(grep -o '^read .* rejected' "$work/follow.log")" \
  "read 2402 = 2401 processed + 0 duplicate + 0 late + 1 rejected"
echo "ok: rsyslog $(rsyslogd -v | sed -n '1s/rsyslogd *\([^ ]*\).*/\1/p'): three formats read, 2401 records followed through three rotations"
