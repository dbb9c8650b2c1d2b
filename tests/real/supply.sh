#!/usr/bin/env bash
# What the program is made of: the lock file is held to deny.toml, and the list of it to the public schema of CycloneDX.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need python3 cargo
folder="$root/tests/real/supply"
environment supply "$folder"

check() { python3 "$folder/check.py" "$@" --all-features 2>"$work/cargo.log"; }
told="$(check "$root")" || fail "deny.toml: $told"
# What checks has to notice what is wrong.
mkdir "$work/other" "$work/other/src" "$work/other/benches" "$work/other/tests"
cp "$root/Cargo.toml" "$root/Cargo.lock" "$work/other/"
ln -s "$root/src/lib.rs" "$root/src/main.rs" "$work/other/src/"
for part in benches tests; do rmdir "$work/other/$part" && ln -s "$root/$part" "$work/other/$part"; done
for wrong in 's/"MIT", //' 's/"Zlib"\]/"Zlib-not"]/' 's/crate = "native-tls"/crate = "serde"/'; do
  sed "$wrong" "$root/deny.toml" >"$work/other/deny.toml"
  cmp -s "$root/deny.toml" "$work/other/deny.toml" && fail "$wrong changes nothing"
  if check "$work/other" >"$work/found"; then fail "$wrong was not noticed: $(tail -n 1 "$work/found")"; fi
done

"$root/deploy/sbom" >"$work/sbom.json" 2>"$work/sbom.log" || fail "deploy/sbom"
"$root/deploy/sbom" >"$work/again.json" 2>"$work/sbom.log" || fail "deploy/sbom"
cmp "$work/sbom.json" "$work/again.json" || fail "the same lock file, and another list"
held="$("$venv/bin/python" "$folder/schema.py" "$work/sbom.json")" || fail "the schema: $held"
sed 's/"type": "library"/"type": "sausage"/' "$work/sbom.json" >"$work/wrong.json"
if "$venv/bin/python" "$folder/schema.py" "$work/wrong.json" >/dev/null 2>&1; then fail "a sausage was not noticed"; fi
echo "ok: supply: $told; $held"
