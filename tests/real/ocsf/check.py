"""Holds findings against the public schema of the version that each names: `check.py FILE...`."""

import json
import sys

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

validators = {}


def validator(version, class_uid, profiles):
    if (version, class_uid, profiles) not in validators:
        schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=version))
        name = schema.lookup_class_name_from_uid(class_uid=class_uid)
        held = schema.get_class_schema(class_name=name, profiles=list(profiles))
        validators[version, class_uid, profiles] = Draft202012Validator(held)
    return validators[version, class_uid, profiles]


count, wrong = 0, 0
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            finding = json.loads(line)
            count += 1
            metadata = finding["metadata"]
            profiles = tuple(metadata.get("profiles", []))
            for error in validator(metadata["version"], finding["class_uid"], profiles).iter_errors(finding):
                wrong += 1
                print(f"{path}:{number}: {'/'.join(map(str, error.absolute_path))}: {error.message[:200]}")
print(f"{count} findings, {wrong} errors")
sys.exit(wrong > 0 or count == 0)
