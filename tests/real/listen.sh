#!/usr/bin/env bash
# Records by HTTP from real clients: curl in the shapes of Vector and Fluent Bit, the OpenTelemetry SDK of Python, a HEC client,
# over TLS with a token, through a crash. All of them are judged as a file of the same records is.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need curl jq openssl gzip python3

example="$root/config/examples/stolen-key.jsonl"
lines="$(wc -l <"$example")"
"$keyhound" run --quiet --threads 1 - <"$example" >"$work/expected" || fail "keyhound on a pipe"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
token="EXAMPLE-$(openssl rand -hex 12)"
echo "$token" >"$work/token"
cat >"$work/keyhound.toml" <<CONFIG
[listen]
token_file = "$work/token"
cert_file = "$work/cert.pem"
key_file = "$work/key.pem"
CONFIG
port="$(free_port)"
url="https://localhost:$port"
listens() { curl -s --cacert "$work/cert.pem" "$url/healthz"; }
results=()

# begin NAME ARGUMENT…: a keyhound with a state of its own.
begin() {
  start "$work/$1.log" "$keyhound" run -c "$work/keyhound.toml" --threads 1 --listen "127.0.0.1:$port" --state "$work/$1-state" \
    --output "$work/$1" --rejects "$work/$1-rejects"
  run=$server
  eventually 20 listens
}
# finish NAME COUNT: so many records were read, and the alerts are those of a file, but for what only the end of a file says.
finish() {
  stop "$run" || fail "keyhound of $1"
  local alerts
  alerts="$(wc -l <"$work/$1")"
  [ "$alerts" -gt 5 ] || fail "$1: $alerts alerts of a theft"
  same "$1, records" "$(grep -o '^read [0-9]* = .* rejected' "$work/$1.log")" "${2:-read $lines = $((lines - 2)) processed + 2 duplicate + 0 late + 0 rejected}"
  same "$1, alerts" "$(sha256sum <"$work/$1")" "$(head -n "$alerts" "$work/expected" | sha256sum)"
  ! grep -qF "$token" "$work/$1.log" || fail "$1 tells the token"
  results+=("$1 $alerts alerts")
}
post() { curl -sS --fail-with-body --cacert "$work/cert.pem" -H "Authorization: Bearer $token" "$@"; }
split -l 500 "$example" "$work/part-"

begin plain
same "without a token" "$(curl -s -o /dev/null -w '%{http_code}' --cacert "$work/cert.pem" -d '{}' "$url/")" 401
stop "$run" || fail "keyhound of plain"

begin vector
for part in "$work"/part-*; do
  # Vector: an object of its own around each line, an array, gzip.
  jq -c '{file: "/var/log/x", host: "h", message: tojson, source_type: "file", timestamp: "2026-07-01T00:00:00Z"}' "$part" | jq -sc . | gzip |
    post -H 'Content-Encoding: gzip' -H 'Content-Type: application/json' --data-binary @- "$url/" >/dev/null || fail "vector"
done
finish vector

begin fluent-bit
for part in "$work"/part-*; do
  jq -c '{date: 1780304400.5, log: tojson}' "$part" | jq -sc . | post -H 'Content-Type: application/json' --data-binary @- "$url/" >/dev/null || fail "fluent-bit"
done
finish fluent-bit

begin crash
for part in "$work"/part-*; do
  post -H 'Expect: 100-continue' --data-binary "@$part" "$url/v1/records" >/dev/null || fail "crash"
  kill -9 "$run"
  wait "$run" 2>/dev/null || true
  begin crash
done
finish crash

python3 -m venv "$work/venv" && "$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  'opentelemetry-sdk==1.39.*' 'opentelemetry-exporter-otlp-proto-http==1.39.*' 'splunk-handler==3.0.*' >"$work/pip.log" 2>&1 || fail "pip"
cat >"$work/otel.py" <<'PYTHON'
"""Each line as the body of a log record, by OpenTelemetry's own exporter: OTLP over HTTP, protobuf, gzip."""
import logging, os, sys
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

url, token, ca, path = sys.argv[1:]
exporter = OTLPLogExporter(endpoint=url + "/v1/logs", headers={"Authorization": "Bearer " + token}, certificate_file=ca, compression=Compression.Gzip)
provider = LoggerProvider()
provider.add_log_record_processor(BatchLogRecordProcessor(exporter, max_queue_size=100000, max_export_batch_size=400))
log = logging.getLogger("gateway")
log.setLevel(logging.INFO)
log.propagate = False
log.addHandler(LoggingHandler(logger_provider=provider))
for line in open(path):
    log.info("%s", line.rstrip("\n"))
provider.shutdown()
PYTHON
begin otel
"$work/venv/bin/python" "$work/otel.py" "$url" "$token" "$work/cert.pem" "$example" >"$work/otel-sdk.log" 2>&1 || fail "the SDK"
finish otel

cat >"$work/hec.py" <<'PYTHON'
"""Each line as an event, by a client of Splunk's collector."""
import logging, os, sys
from splunk_handler import SplunkHandler

port, token, ca, path = sys.argv[1:]
os.environ["REQUESTS_CA_BUNDLE"] = ca
handler = SplunkHandler(host="localhost", port=port, token=token, index="main", verify=ca, queue_size=0, flush_interval=0.5, retry_count=5)
log = logging.getLogger("gateway")
log.setLevel(logging.INFO)
log.propagate = False
log.addHandler(handler)
for line in open(path):
    log.info("%s", line.rstrip("\n"))
logging.shutdown()
PYTHON
begin hec
"$work/venv/bin/python" "$work/hec.py" "$port" "$token" "$work/cert.pem" "$example" >"$work/hec-client.log" 2>&1 || fail "the HEC client"
finish hec

echo "ok: listen: $(curl --version | cut -d ' ' -f 1,2 | head -n 1), OpenTelemetry SDK and splunk-handler of Python over TLS with a token: $(printf '%s, ' "${results[@]}" | sed 's/, $//')"
