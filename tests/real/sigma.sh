#!/usr/bin/env bash
# pySigma: what a run writes in the style of Sigma are rules, levels and tags to it.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3 jq
folder="$root/tests/real/sigma"
venv="$(realpath -m "${KEYHOUND_CACHE:-$root/target/real}")/sigma"

# The copy of the list is written last: an installation that was interrupted has none and is made anew.
if ! cmp -s "$folder/requirements.txt" "$venv/requirements.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv" >"$work/venv.log" 2>&1 || fail "python3 -m venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$folder/requirements.txt" \
    >"$work/pip.log" 2>&1 || fail "pip install"
  cp "$folder/requirements.txt" "$venv/requirements.txt"
fi

"$keyhound" run --quiet --encoding sigma "$root/config/examples/stolen-key.jsonl" >"$work/matches" || fail "keyhound"
same matches "$(wc -l <"$work/matches")" "$("$keyhound" run --quiet "$root/config/examples/stolen-key.jsonl" | wc -l)"
told="$("$venv/bin/python" "$folder/check.py" "$work/matches" "$root/tests/encodings/sigma")" || fail "pySigma: $told"
# What checks has to notice what is wrong.
for wrong in 's/"level":"[a-z]*"/"level":"dreadful"/' 's/"attack\.t[0-9.]*"/"attack"/' 's/"rule_id":"........-/"rule_id":"-/'; do
  sed "$wrong" "$work/matches" >"$work/wrong"
  if "$venv/bin/python" "$folder/check.py" "$work/wrong" >/dev/null 2>&1; then fail "$wrong was not noticed"; fi
done
echo "ok: pySigma $("$venv/bin/pip" show pysigma 2>/dev/null | sed -n 's/^Version: //p'): $told"
