"""Holds matches against what pySigma takes for rules, levels and tags: `check.py FILE...`."""

import json
import sys

from sigma.rule import SigmaRule

count, wrong = 0, 0
titles = {}
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            found = json.loads(line)
            count += 1
            selection = {field["field"]: field["value"] for field in found["matched_fields"]}
            rule = SigmaRule.from_dict(
                {
                    "title": found["rule_title"],
                    "id": found["rule_id"],
                    "level": found["level"],
                    "tags": found["tags"],
                    "logsource": {"product": "keyhound"},
                    "detection": {
                        found["matched_selections"][0]: {
                            name: value if isinstance(value, (str, int, float, list)) else str(value)
                            for name, value in selection.items()
                        },
                        "condition": found["matched_selections"][0],
                    },
                },
                collect_errors=True,
            )
            problems = [str(error) for error in rule.errors]
            # A rule is the same rule whenever it matches.
            name = found["matched_selections"][0]
            if titles.setdefault(found["rule_id"], name) != name:
                problems.append(f"{found['rule_id']} is two rules")
            if found["event"]["severity"] != found["level"] or not found["event"]["id"]:
                problems.append("the event is not the one that matched")
            for problem in problems:
                wrong += 1
                print(f"{path}:{number}: {problem[:200]}")
print(f"{count} matches of {len(titles)} rules, {wrong} errors")
sys.exit(wrong > 0 or count == 0)
