"""Times `keyhound trace-leak` and `git log --all -p | rg` on one repository in turns, and counts what each finds."""

import json
import os
import pathlib
import resource
import subprocess
import sys
import time
import tomllib

keyhound, folder, rounds = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
root = pathlib.Path(__file__).resolve().parents[2]
repository = str(folder / "repository.git")
planted = [json.loads(line) for line in open(folder / "planted.jsonl")]
# The same patterns: those of providers alone, and all.
patterns = tomllib.load(open(root / "config/key_patterns.toml", "rb"))["pattern"]
for name, wanted in (("all", patterns), ("providers", [p for p in patterns if p["provider"] != "any"])):
    (folder / f"{name}.patterns").write_text("".join(p["regex"].replace("(?P<secret>", "(?:") + "\n" for p in wanted))


def timed(command):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, shell=isinstance(command, str), capture_output=True)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


log = f"git -C {repository} log --all -p --no-color --no-ext-diff --no-textconv"
rg = "rg --no-config --no-line-number --text --no-unicode -f"
commands = {
    "keyhound": [keyhound, "trace-leak", "--json", "--quiet", repository],
    "git log -p | rg, providers": f"{log} | {rg} {folder}/providers.patterns",
    "git log -p | rg, all": f"{log} | {rg} {folder}/all.patterns",
    "git log -p > /dev/null": f"{log} > /dev/null",
}
times, outputs = {name: [] for name in commands}, {}
for turn in range(rounds):
    for name, command in commands.items():
        wall, cpu, outputs[name] = timed(command)
        times[name].append((wall, cpu))
        print(f"{turn} {name}: {wall:.1f} s wall, {cpu:.1f} s CPU", flush=True)
for name, all_times in times.items():
    walls, cpus = sorted(t[0] for t in all_times), sorted(t[1] for t in all_times)
    print(f"{name}: median {walls[len(walls) // 2]:.1f} s wall, {cpus[len(cpus) // 2]:.1f} s CPU")

leaks = [json.loads(line) for line in outputs["keyhound"].splitlines()]
unmatched = list(leaks)
missed = []
for plant in planted:
    tail = ("..." + plant["key"][-4:], "...")
    def is_it(leak):
        paths = [place["path"] for place in leak["places"]]
        by_path = any(path == plant["path"] or path.startswith(f"{planted.index(plant):040x}"[:2]) for path in paths)
        by_text = plant["place"] == "message" and any(p["kind"] == "commit_message" for p in leak["places"])
        return leak["api_key_prefix"] in tail and (by_path or by_text or plant["place"] in ("note", "message"))
    found = [leak for leak in unmatched if is_it(leak)]
    if found:
        unmatched.remove(found[0])
        gone = any("removed" in place for place in found[0]["places"])
        if gone != plant["removed"] and plant["place"] == "file":
            missed.append(f"removal of {plant['kind']} in {plant['path']}")
    else:
        missed.append(f"{plant['kind']} {plant['form']} {plant['place']}")
print(f"keyhound: {len(leaks)} keys told, {len(planted) - len(missed)} of {len(planted)} planted ones found, "
      f"{len(unmatched)} told that were not planted; missed: {missed}")
for leak in unmatched:
    print("  not planted:", leak["pattern"], leak["confidence"], leak["why"], [p["path"] for p in leak["places"]][:3])
shown = any(plant["key"] in outputs["keyhound"].decode() for plant in planted)
print(f"keyhound shows a whole key: {shown}")
for name in ("git log -p | rg, providers", "git log -p | rg, all"):
    lines = outputs[name].decode(errors="replace").splitlines()
    text = "\n".join(lines)
    first = lambda key: key.splitlines()[0]
    hit = [plant for plant in planted if first(plant["key"]) in text]
    false = [line for line in lines if not any(first(plant["key"]) in line for plant in planted)]
    print(f"{name}: {len(lines)} lines, {len(hit)} of {len(planted)} planted keys in them, {len(false)} lines without any")
