#!/usr/bin/env bash
# The public schema of OCSF: what a run writes as OCSF is what the schema of that version allows.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3 jq
folder="$root/tests/real/ocsf"
environment ocsf "$folder"

"$keyhound" run --quiet --encoding ocsf "$root/config/examples/stolen-key.jsonl" >"$work/findings" || fail "keyhound"
"$keyhound" run --quiet --encoding ocsf18 "$root/config/examples/stolen-key.jsonl" >"$work/newer" || fail "keyhound"
told="$("$venv/bin/python" "$folder/check.py" "$work/findings" "$work/newer" "$root/tests/encodings/ocsf" "$root/tests/encodings/ocsf18")" ||
  fail "the schema: $told"
# What checks has to notice what is wrong.
sed 's/"severity_id":[0-9]/"severity_id":77/' "$work/findings" >"$work/wrong"
if "$venv/bin/python" "$folder/check.py" "$work/wrong" >/dev/null; then fail "a severity of 77 was not noticed"; fi
sed 's/"verdict_id":[0-9]/"verdict_id":77/' "$work/newer" >"$work/wrong"
if "$venv/bin/python" "$folder/check.py" "$work/wrong" >/dev/null; then fail "a verdict of 77 was not noticed"; fi
echo "ok: OCSF $(jq -r .metadata.version "$work/findings" "$work/newer" | sort -u | paste -sd ' '): $told"
