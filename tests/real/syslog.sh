#!/usr/bin/env bash
# A private rsyslogd receives what a run sends by UDP, TCP and TLS, and has it byte for byte in its files.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need rsyslogd openssl

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
udp="$(free_port)" tcp="$(free_port)" tls="$(free_port)"
cat >"$work/rsyslog.conf" <<CONFIG
global(workDirectory="$work" maxMessageSize="64k" DefaultNetstreamDriver="gtls"
  DefaultNetstreamDriverCAFile="$work/cert.pem" DefaultNetstreamDriverCertFile="$work/cert.pem"
  DefaultNetstreamDriverKeyFile="$work/key.pem")
module(load="imudp")
module(load="imptcp")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
template(name="message" type="string" string="%syslogfacility-text% %syslogseverity-text% %hostname% %app-name% %msgid% %msg%\n")
ruleset(name="udp") { action(type="omfile" file="$work/udp" template="message") }
ruleset(name="tcp") { action(type="omfile" file="$work/tcp" template="message") }
ruleset(name="tls") { action(type="omfile" file="$work/tls" template="message") }
input(type="imudp" address="127.0.0.1" port="$udp" ruleset="udp")
input(type="imptcp" address="127.0.0.1" port="$tcp" ruleset="tcp")
input(type="imtcp" address="127.0.0.1" port="$tls" ruleset="tls")
CONFIG
rsyslogd -N1 -f "$work/rsyslog.conf" >"$work/check.log" 2>&1 || fail "rsyslog's configuration"
start "$work/rsyslogd.log" rsyslogd -n -f "$work/rsyslog.conf" -i "$work/rsyslogd.pid"
eventually 10 test -e "$work/rsyslogd.pid"
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
eventually 10 listens "$tcp"
eventually 10 listens "$tls"

cat >"$work/keyhound.toml" <<CONFIG
[sinks.udp]
type = "syslog"
address = "127.0.0.1:$udp"
protocol = "udp"
hostname = "box"
encoding = "cef"
[sinks.tcp]
type = "syslog"
address = "127.0.0.1:$tcp"
hostname = "box"
encoding = "leef"
facility = 10
[sinks.tls]
type = "syslog"
address = "localhost:$tls"
protocol = "tls"
ca_file = "$work/cert.pem"
hostname = "box"
encoding = "ocsf"
CONFIG
example="$root/config/examples/stolen-key.jsonl"
for encoding in cef leef ocsf; do
  "$keyhound" run --quiet --threads 1 --encoding "$encoding" "$example" >"$work/$encoding" || fail "keyhound in $encoding"
done
timeout 60 "$keyhound" run -c "$work/keyhound.toml" --threads 1 --output "$work/alerts" "$example" 2>"$work/keyhound.log" || fail "keyhound"
alerts="$(wc -l <"$work/alerts")"
[ "$alerts" -gt 5 ] || fail "only $alerts alerts in the example of a theft"
came() { [ "$(wc -l <"$work/$1")" -ge "$alerts" ]; }
for by in udp:cef:local0 tcp:leef:authpriv tls:ocsf:local0; do
  IFS=: read -r protocol encoding facility <<<"$by"
  eventually 20 came "$protocol"
  # rsyslog writes a tab as #011 where it is told nothing else.
  sed 's/#011/\t/g' "$work/$protocol" | cut -d' ' -f6- >"$work/$protocol.messages"
  cmp -s "$work/$protocol.messages" "$work/$encoding" || fail "what came by $protocol is not what was sent"
  same "heads by $protocol" "$(cut -d' ' -f1,3,4 "$work/$protocol" | sort -u)" "$facility box keyhound"
done
echo "ok: rsyslog $(rsyslogd -v | sed -n '1s/rsyslogd *\([^ ]*\).*/\1/p'): $alerts alerts each as CEF by UDP, LEEF by TCP and OCSF by TLS, as they were written"
