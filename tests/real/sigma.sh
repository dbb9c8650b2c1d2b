#!/usr/bin/env bash
# pySigma: what a run writes in the style of Sigma are rules, levels and tags to it.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3 jq
folder="$root/tests/real/sigma"
environment sigma "$folder"

"$keyhound" run --quiet --encoding sigma "$root/config/examples/stolen-key.jsonl" >"$work/matches" || fail "keyhound"
same matches "$(wc -l <"$work/matches")" "$("$keyhound" run --quiet "$root/config/examples/stolen-key.jsonl" | wc -l)"
told="$("$venv/bin/python" "$folder/check.py" "$work/matches" "$root/tests/encodings/sigma")" || fail "pySigma: $told"
# What checks has to notice what is wrong.
for wrong in 's/"level":"[a-z]*"/"level":"dreadful"/' 's/"attack\.t[0-9.]*"/"attack"/' 's/"rule_id":"........-/"rule_id":"-/'; do
  sed "$wrong" "$work/matches" >"$work/wrong"
  if "$venv/bin/python" "$folder/check.py" "$work/wrong" >/dev/null 2>&1; then fail "$wrong was not noticed"; fi
done
echo "ok: pySigma $("$venv/bin/pip" show pysigma 2>/dev/null | sed -n 's/^Version: //p'): $told"
