"""A git repository that looks like a real one, with keys planted in its history: for `benches/trace_leak/run`.

Writes a stream for `git fast-import` to standard output and what was planted, as JSON Lines, to the file named first.
Everything follows from the seed. Keys are drawn here, in the shapes in which providers hand them out, so none was ever
anybody's. Some are removed by a later commit, some stand in a branch, a tag, a note or a commit's message alone, some are
in base64, in UTF-16, or put together of pieces.
"""

import argparse
import base64
import json
import random
import string
import sys
import zlib

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
URL = ALNUM + "_-"
WORDS = (
    "request response buffer stream handler config client server session cache record value index table column query "
    "result error message parse encode decode write read open close start stop retry limit window bucket shard baseline "
    "detector alert incident source sink frame token password key secret user account region model price usage"
).split()


def draw(rng, alphabet, count):
    return "".join(rng.choice(alphabet) for _ in range(count))


def checksummed(rng, prefix):
    body = draw(rng, ALNUM, 30)
    rest, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        digits = (string.digits + string.ascii_uppercase + string.ascii_lowercase)[rest % 62] + digits
        rest //= 62
    return prefix + body + digits


def private_key(rng):
    lines = [draw(rng, ALNUM + "+/", 64) for _ in range(24)]
    return "\n".join(["-----BEGIN RSA " + "PRIVATE KEY-----", *lines, "-----END RSA " + "PRIVATE KEY-----"])


def jwt(rng):
    part = lambda data: base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")
    return f'{part({"alg": "HS256", "typ": "JWT"})}.{part({"sub": draw(rng, ALNUM, 12)})}.{draw(rng, URL, 43)}'


# Name of the type, what draws one, and the line it stands in; {} is the key.
KINDS = [
    ("openai_project", lambda r: "sk-" + "proj-" + draw(r, URL, 74) + "T3Blbk" + "FJ" + draw(r, URL, 74), 'OPENAI_API_KEY = "{}"'),
    ("openai_service_account", lambda r: "sk-" + "svcacct-" + draw(r, URL, 58) + "T3Blbk" + "FJ" + draw(r, URL, 58), "  openai: {}"),
    ("openai_admin", lambda r: "sk-" + "admin-" + draw(r, URL, 58) + "T3Blbk" + "FJ" + draw(r, URL, 58), "ADMIN={}"),
    ("openai_legacy", lambda r: "sk-" + draw(r, ALNUM, 20) + "T3Blbk" + "FJ" + draw(r, ALNUM, 20), "client = OpenAI(api_key='{}')"),
    ("anthropic", lambda r: "sk-" + "ant-api03-" + draw(r, URL, 93) + "AA", "export ANTHROPIC_API_KEY={}"),
    ("anthropic_admin", lambda r: "sk-" + "ant-admin01-" + draw(r, URL, 93) + "AA", '"admin_key": "{}",'),
    ("google", lambda r: "AI" + "zaSy" + draw(r, URL, 33), "https://generativelanguage.googleapis.com/v1beta/models?key={}"),
    ("aws_access_key", lambda r: "AK" + "IA" + draw(r, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16), "aws_access_key_id = {}"),
    ("aws_secret_key", lambda r: draw(r, ALNUM + "/+", 40), "aws_secret_access_key = {}"),
    ("bedrock", lambda r: "AB" + "SK" + draw(r, ALNUM + "+/", 128), "AWS_BEARER_TOKEN_BEDROCK={}"),
    ("azure_openai", lambda r: draw(r, ALNUM, 52) + "JQQ" + "J99" + draw(r, ALNUM, 26), 'azure_key: "{}"'),
    ("openrouter", lambda r: "sk-" + "or-v1-" + draw(r, HEX, 64), "OPENROUTER={}"),
    ("groq", lambda r: "gs" + "k_" + draw(r, ALNUM, 20) + "WGdyb" + "3FY" + draw(r, ALNUM, 24), "GROQ_API_KEY: {}"),
    ("xai", lambda r: "xa" + "i-" + draw(r, ALNUM, 80), "key='{}'"),
    ("huggingface", lambda r: "h" + "f_" + draw(r, ALNUM, 34), "HF_TOKEN={}"),
    ("replicate", lambda r: "r" + "8_" + draw(r, ALNUM, 37), "REPLICATE_API_TOKEN={}"),
    ("perplexity", lambda r: "ppl" + "x-" + draw(r, ALNUM, 48), "PPLX={}"),
    ("nvidia", lambda r: "nva" + "pi-" + draw(r, URL, 64), "NVIDIA={}"),
    ("langfuse", lambda r: "sk-" + "lf-" + "-".join(draw(r, HEX, n) for n in (8, 4, 4, 4, 12)), "LANGFUSE_SECRET_KEY={}"),
    ("langsmith", lambda r: "ls" + "v2_pt_" + draw(r, HEX, 32) + "_" + draw(r, HEX, 10), "LANGSMITH_API_KEY={}"),
    ("github", lambda r: checksummed(r, "gh" + "p_"), "url = https://x-access-token:{}@github.com/o/r"),
    ("npm", lambda r: checksummed(r, "np" + "m_"), "//registry.npmjs.org/:_authToken={}"),
    ("gitlab", lambda r: "glp" + "at-" + draw(r, ALNUM, 20), "GITLAB={}"),
    ("slack", lambda r: "xo" + "xb-" + draw(r, string.digits, 12) + "-" + draw(r, string.digits, 12) + "-" + draw(r, ALNUM, 24), "SLACK={}"),
    ("stripe", lambda r: "s" + "k_live_" + draw(r, ALNUM, 24), "stripe.api_key = '{}'"),
    ("sendgrid", lambda r: "S" + "G." + draw(r, URL, 22) + "." + draw(r, URL, 43), "SENDGRID={}"),
    ("private_key", private_key, "{}"),
    ("jwt", jwt, "session: {}"),
    ("database_url", lambda r: draw(r, ALNUM, 20) + "7", "DATABASE_URL=postgres://app:{}@db.internal:5432/app"),
    ("password", lambda r: draw(r, ALNUM, 18) + "4x", 'password = "{}"'),
]


def pieces(key):
    third = len(key) // 3
    return '" + "'.join((key[:third], key[third : 2 * third], key[2 * third :]))


# How a key is written down. Only what has a shape of its own can be told without its line.
FORMS = [
    ("plain", lambda line, key: line.format(key).encode()),
    ("base64", lambda line, key: b"data: " + base64.b64encode(b"config: " + line.format(key).encode() + b"\nend")),
    ("split", lambda line, key: f'const k = "{pieces(key)}";'.encode()),
    ("utf16", lambda line, key: line.format(key).encode("utf-16")),
]
SHAPED = {
    kind for kind, _, _ in KINDS if kind not in ("aws_secret_key", "private_key", "database_url", "password", "jwt", "azure_openai")
}


# What has the form of a key and is none: documentation, defaults, templates, checksums.
LOOKALIKES = [
    "    key = '" + "AK" + "IA" + "IOSFODNN7EXAMPLE'",
    "    api_key: sk-" + "proj-" + "x" * 48,
    "    api_key='sk-" + "your-key-here-0123456789abcdefgh'",
    '    password="change-me-now"',
    '    password="{{{{ lookup(db_password) }}}}"',
    "    DATABASE_URL=postgres://user:password@localhost/{0}",
    "    DATABASE_URL=postgres://app:$DB_PASSWORD@db/{0}",
    '    password = "correct-{0}-horse"',
    "    # azure deployment, digest: {1}",
    '    token: "replace-with-your-0-token-value"',
    "    -----BEGIN RSA " + "PRIVATE KEY-----",
    "    curl -H 'Authorization: Bearer abcdefghijklmnopqrstuvwxyz012345'",
]


class Writer:
    def __init__(self, out):
        self.out, self.mark = out, 0

    def data(self, payload):
        self.out.write(b"data %d\n" % len(payload) + payload + b"\n")

    def blob(self, payload):
        self.mark += 1
        self.out.write(b"blob\nmark :%d\n" % self.mark)
        self.data(payload)
        return self.mark

    def commit(self, ref, when, message, changes, parent=None):
        self.mark += 1
        mark = self.mark
        self.out.write(b"commit %s\nmark :%d\n" % (ref.encode(), mark))
        who = f"Developer {when % 41} <dev{when % 41}@example.org> {when} +0200\n".encode()
        self.out.write(b"author " + who + b"committer " + who)
        self.data(message.encode())
        if parent:
            self.out.write(b"from :%d\n" % parent)
        for path, blob in changes:
            self.out.write(b"D %s\n" % path.encode() if blob is None else b"M 100644 :%d %s\n" % (blob, path.encode()))
        self.out.write(b"\n")
        return mark


def line(rng):
    kind = rng.random()
    if kind < 0.02:
        return f'    password = settings.get("{rng.choice(WORDS)}_password")'
    if kind < 0.03:
        return f'    api_key = os.environ["{rng.choice(WORDS).upper()}_API_KEY"]  # sk-your-key-here'
    if kind < 0.04:
        return f'    digest = "{draw(rng, HEX, 64)}"'
    if kind < 0.05:
        return f'    "id": "{"-".join(draw(rng, HEX, n) for n in (8, 4, 4, 4, 12))}",'
    if kind < 0.055:
        return f'    icon = "data:image/png;base64,{draw(rng, ALNUM + "+/", 120)}"'
    if kind < 0.058:
        return rng.choice(LOOKALIKES).format(draw(rng, ALNUM, 6), draw(rng, HEX, 32))
    if kind < 0.06:
        return f'  integrity sha512-{draw(rng, ALNUM + "+/", 86)}=='
    return "    " * rng.randrange(1, 4) + " ".join(rng.choice(WORDS) for _ in range(rng.randrange(3, 9))) + rng.choice("();,:{}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("planted")
    parser.add_argument("--commits", type=int, default=100_000)
    parser.add_argument("--files", type=int, default=2_000)
    parser.add_argument("--keys", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    writer = Writer(sys.stdout.buffer)
    paths = [f"src/{rng.choice(WORDS)}/{rng.choice(WORDS)}_{at}.py" for at in range(args.files)]
    files = {path: [line(rng) for _ in range(rng.randrange(20, 300))] for path in paths}
    start, ref = 1_500_000_000, "refs/heads/main"
    body = lambda path: ("\n".join(files[path]) + "\n").encode()
    head = writer.commit(ref, start, "first", [(path, writer.blob(body(path))) for path in paths])
    plants = {}
    for at in range(args.keys):
        plants.setdefault(rng.randrange(10, args.commits - 10), []).append(at)
    removals, planted = {}, []
    for number in range(1, args.commits):
        changes = []
        for path in rng.sample(paths, rng.choice((1, 1, 1, 2, 3))):
            lines = files[path]
            for _ in range(rng.randrange(1, 5)):
                where = rng.randrange(len(lines))
                lines[where : where + rng.choice((0, 1, 1))] = [line(rng)]
            changes.append((path, writer.blob(body(path))))
        changes += [(path, None) for path in removals.pop(number, ())]
        message, when = f"Change {number}", start + 600 * number
        for at in plants.get(number, ()):
            kind, key, text = KINDS[at % len(KINDS)]
            key = key(rng)
            form = FORMS[(at // len(KINDS)) % len(FORMS)] if kind in SHAPED and at >= len(KINDS) else FORMS[0]
            place = ("file", "file", "file", "branch", "message", "note")[at % 6]
            if kind in ("private_key", "aws_secret_key", "database_url", "password") or form[0] != "plain":
                place = "file"
            path = f"deploy/{kind}_{at}.env"
            payload = b"# settings\n" + form[1](text, key) + b"\n"
            if form[0] == "utf16":
                payload = form[1](text, key)
            told = {"kind": kind, "form": form[0], "place": place, "key": key, "path": path, "removed": False}
            if place == "file":
                changes.append((path, writer.blob(payload)))
                if rng.random() < 0.7:
                    removals.setdefault(min(args.commits - 1, number + rng.randrange(1, 400)), []).append(path)
                    told["removed"] = True
            elif place == "branch":
                writer.commit(f"refs/heads/topic-{at}", when, "Try", [(path, writer.blob(payload))], head)
            elif place == "note":
                writer.commit("refs/notes/commits", when, "Note", [(f"{at:040x}", writer.blob(payload))])
            else:
                message += "\n\n" + text.format(key)
            planted.append(told)
        head = writer.commit(ref, when, message, changes, head)
    with open(args.planted, "w") as out:
        out.writelines(json.dumps(told) + "\n" for told in planted)


main()
