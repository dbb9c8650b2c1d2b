"""Holds a list of what a program is made of against the public schema of CycloneDX: `schema.py FILE`."""

import json
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

text = open(sys.argv[1], encoding="utf-8").read()
wrong = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
if wrong is not None:
    sys.exit(str(wrong)[:2000])
told = json.loads(text)
refs = {one["bom-ref"] for one in told["components"]} | {told["metadata"]["component"]["bom-ref"]}
for one in told["dependencies"]:
    lost = ({one["ref"]} | set(one["dependsOn"])) - refs
    if lost:
        sys.exit(f"{one['ref']}: {lost} are no components")
bare = [one["name"] for one in told["components"] if not one.get("licenses") or not one.get("hashes")]
if bare:
    sys.exit(f"without licence or checksum: {bare}")
print(f"CycloneDX {told['specVersion']}, {len(told['components'])} components")
