#!/usr/bin/env bash
# Alerts as mails to a real server (aiosmtpd): STARTTLS, a password, several alerts in one mail, read again by Python's own parser.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3 openssl jq

python3 -m venv "$work/venv" && "$work/venv/bin/pip" install --quiet --disable-pip-version-check 'aiosmtpd==1.4.*' >"$work/pip.log" 2>&1 || fail "pip"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
port="$(free_port)"
password="EXAMPLE-$(openssl rand -hex 8)"
echo "$password" >"$work/password"
cat >"$work/server.py" <<'PYTHON'
"""Takes mails after STARTTLS and with the right password only, and keeps each as a file; puts the first off."""
import asyncio, pathlib, ssl, sys
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

port, cert, key, password, folder = sys.argv[1:]

class Keep:
    count = 0
    async def handle_DATA(self, server, session, envelope):
        Keep.count += 1
        if Keep.count == 1:
            return "451 4.7.1 greylisted, come again"
        name = f"{Keep.count:03}"
        pathlib.Path(folder, name + ".to").write_text("\n".join(envelope.rcpt_tos))
        pathlib.Path(folder, name + ".eml").write_bytes(envelope.content)
        return "250 queued"

def authenticate(server, session, envelope, mechanism, data):
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"keyhound", password.encode())
    return AuthResult(success=right, handled=False)

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
controller = Controller(Keep(), hostname="127.0.0.1", port=int(port), tls_context=context, require_starttls=True,
                        authenticator=authenticate, auth_required=True, auth_require_tls=True)
controller.start()
print("ready", flush=True)
asyncio.new_event_loop().run_forever()
PYTHON
cat >"$work/read.py" <<'PYTHON'
"""Says of each mail what its headers and parts are, as a mail program reads them."""
import email, email.policy, json, pathlib, sys
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.eml")):
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    parts = {part.get_content_type(): part.get_content() for part in mail.iter_parts()}
    print(json.dumps({"id": mail["Message-ID"], "subject": mail["Subject"], "from": mail["From"], "to": mail["To"],
                      "defects": [str(defect) for part in mail.walk() for defect in part.defects],
                      "events": [name.strip() for name in mail["X-Keyhound-Events"].split(",")],
                      "plain": parts["text/plain"], "html": parts["text/html"], "to_envelope": path.with_suffix(".to").read_text()}))
PYTHON
mkdir "$work/mails"
start "$work/server.log" "$work/venv/bin/python" "$work/server.py" "$port" "$work/cert.pem" "$work/key.pem" "$password" "$work/mails"
eventually 10 grep -q ready "$work/server.log"
cat >"$work/keyhound.toml" <<CONFIG
[sinks.soc]
type = "email"
address = "localhost:$port"
username = "keyhound"
password_file = "$work/password"
ca_file = "$work/cert.pem"
from = "keyhound@example.org"
to = ["soc@example.org", "on-call@example.net"]
mails_per_hour_max = 1000
CONFIG
example="$root/config/examples/stolen-key.jsonl"
# A name that would like to be a header, a tag and another subject.
jq -c '.api_key_alias = "ünï\r\nBcc: thief@example.com\r\n\r\n<script>alert(1)</script> =?utf-8?B?eA==?="' "$example" >"$work/log"
timeout 120 "$keyhound" run -c "$work/keyhound.toml" --threads 1 --output "$work/alerts" "$work/log" 2>"$work/keyhound.log" || fail "keyhound"
alerts="$(wc -l <"$work/alerts")"
[ "$alerts" -gt 5 ] || fail "only $alerts alerts in the example of a theft"
"$work/venv/bin/python" "$work/read.py" "$work/mails" >"$work/read" || fail "mails that Python cannot read"
same "alerts in mails" "$(jq -r '.events[]' "$work/read" | sort | sha256sum)" "$(jq -r '"\(.id).\(.revision)"' "$work/alerts" | sort | sha256sum)"
same "defects" "$(jq -c '.defects[]' "$work/read")" ""
same "receivers" "$(jq -c '[.from, .to, .to_envelope]' "$work/read" | sort -u)" \
  '["keyhound@example.org","soc@example.org, on-call@example.net","soc@example.org\non-call@example.net"]'
same "names of mails" "$(jq -r .id "$work/read" | sort -u | wc -l)" "$(wc -l <"$work/read")"
! jq -r .html "$work/read" | grep -qi '<script' || fail "a tag got out of a name"
! jq -r .plain "$work/read" | grep -qi '^bcc' || fail "a name got onto a line of its own"
! grep -qF "$password" "$work/keyhound.log" || fail "the password is told"
# With the wrong password nothing is taken, and it is said what to do.
echo "EXAMPLE-wrong" >"$work/password"
told="$("$keyhound" check -c "$work/keyhound.toml" --send-test soc 2>&1 || true)"
grep -q 'answers 535 .*`sinks.soc.username`' <<<"$told" || fail "a wrong password: $told"
echo "ok: mail: aiosmtpd $("$work/venv/bin/pip" list 2>/dev/null | sed -n 's/^aiosmtpd *//p'): $alerts alerts in $(wc -l <"$work/read") mails after one was put off, after STARTTLS and with a password"
