"""Holds the crates of the program to deny.toml, as `cargo deny check licenses bans sources` does where that is to be had:
`check.py FOLDER [CARGO ARGUMENT…]`, FOLDER being that of Cargo.toml and deny.toml."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

folder = Path(sys.argv[1])
deny = tomllib.loads((folder / "deny.toml").read_text(encoding="utf-8"))
allowed = set(deny["licenses"]["allow"])
refused = {ban["crate"]: ban["reason"] for ban in deny["bans"]["deny"]}
known = {"registry+https://github.com/rust-lang/crates.io-index"}


def is_allowed(expression):
    """Whether a licence of an SPDX expression may be chosen so that all of it is allowed."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    place = 0

    def peek():
        return tokens[place] if place < len(tokens) else None

    def take():
        nonlocal place
        place += 1
        return tokens[place - 1]

    def one():
        if peek() == "(":
            take()
            value = either()
            if peek() != ")":
                raise ValueError(expression)
            take()
            return value
        value = take() in allowed
        if peek() == "WITH":
            # An exception allows more than the licence.
            take()
            take()
        return value

    def both():
        value = one()
        while peek() == "AND":
            take()
            value = one() and value
        return value

    def either():
        value = both()
        while peek() == "OR":
            take()
            value = both() or value
        return value

    value = either()
    if peek() is not None:
        raise ValueError(expression)
    return value


command = ["cargo", "metadata", "--locked", "--format-version", "1", "--manifest-path", str(folder / "Cargo.toml"), *sys.argv[2:]]
wrong, linked, everything, licences = set(), set(), set(), set()
for target in deny["graph"]["targets"]:
    found = json.loads(subprocess.run([*command, "--filter-platform", target], check=True, stdout=subprocess.PIPE).stdout)
    root = found["resolve"]["root"]
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    todo, ours = [root], set()
    while todo:
        one = todo.pop()
        if one not in ours:
            ours.add(one)
            todo += [dep["pkg"] for dep in nodes[one]["deps"] if any(kind["kind"] != "dev" for kind in dep["dep_kinds"])]
    for package in found["packages"]:
        name = f"{package['name']} {package['version']}"
        if package["id"] != root and package["source"] not in known:
            wrong.add(f"{name}: comes from {package['source']}")
        if package["name"] in refused and package["id"] in nodes:
            wrong.add(f"{name}: {refused[package['name']]}")
        if package["id"] in ours:
            licences.add(package["license"])
            if not (package["license"] and is_allowed(package["license"])):
                wrong.add(f"{name}: its licence is {package['license']}")
        if package["id"] == root:
            wrong |= {f"{dep['name']}: any version will do" for dep in package["dependencies"] if dep["req"] == "*"}
    linked |= ours
    everything |= {package["id"] for package in found["packages"]}
for line in sorted(wrong):
    print(line)
print(
    f"{len(linked)} crates in the program, {len(everything)} with those of tests, {len(licences)} licence texts,"
    f" {len(deny['graph']['targets'])} targets, {len(wrong)} not allowed"
)
sys.exit(bool(wrong))
