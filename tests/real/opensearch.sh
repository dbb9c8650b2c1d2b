#!/usr/bin/env bash
# A real OpenSearch node (Maven Central; it needs no installation): alerts go to an index and to a data stream, are there once
# however often they are sent, and are asked for back.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
need java mvn curl jq

cache="$(realpath -m "${KEYHOUND_CACHE:-$root/target/real}")/opensearch"
if ! cmp -s "$root/tests/real/opensearch/pom.xml" "$cache/pom.xml"; then
  rm -rf "$cache"
  mkdir -p "$cache/jars"
  mvn -B -q -f "$root/tests/real/opensearch/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$cache/jars" \
    >"$work/maven.log" 2>&1 || fail "Maven"
  cp "$root/tests/real/opensearch/pom.xml" "$cache/pom.xml"
fi
port="$(free_port)"
url="http://127.0.0.1:$port"
mkdir "$work/home"
start "$work/opensearch.log" java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$cache/jars/*" groovy.ui.GroovyMain \
  "$root/tests/real/opensearch/node.groovy" "$work/home" "$port"
is_up() { curl -sf "$url/_cluster/health?wait_for_status=green&timeout=1s"; }
eventually 120 is_up
ask() { curl -sS --fail-with-body -H 'Content-Type: application/json' "$@" || fail "curl $*"; }
ask -X PUT "$url/_index_template/keyhound" -d '{"index_patterns": ["logs-keyhound*"], "data_stream": {}, "priority": 500,
  "template": {"settings": {"number_of_replicas": 0}}}' >/dev/null

cat >"$work/keyhound.toml" <<CONFIG
[incidents]
enabled = true
[sinks.index]
type = "elasticsearch"
url = "$url"
index = "keyhound"
encoding = "json"
[sinks.stream]
type = "elasticsearch"
url = "$url"
index = "logs-keyhound"
encoding = "ecs"
CONFIG
"$keyhound" check -c "$work/keyhound.toml" >/dev/null || fail "the configuration"
# Twice: the second time all of it is sent again by one that knows nothing of the first.
for run in first second; do
  "$keyhound" run -q -c "$work/keyhound.toml" -o "$work/$run" "$root/config/examples/stolen-key.jsonl" 2>"$work/$run.log" || fail "the $run run"
done
same "both runs" "$(sha256sum <"$work/first")" "$(sha256sum <"$work/second")"
ask -X POST "$url/_refresh" >/dev/null
jq -r '"\(.id).\(.revision)"' "$work/first" | sort >"$work/told"
count="$(wc -l <"$work/told")"
[ "$count" -gt 20 ] || fail "$count alerts of a theft"
for index in keyhound logs-keyhound; do
  ask "$url/$index/_search?size=1000" >"$work/$index.json"
  jq -r '.hits.hits[]._id' "$work/$index.json" | sort >"$work/has"
  cmp -s "$work/told" "$work/has" || fail "$index: told $count, has $(wc -l <"$work/has")"
done
# What stands there is what was told.
jq -cS . "$work/first" | sort >"$work/told.json"
jq -cS '.hits.hits[]._source' "$work/keyhound.json" | sort >"$work/has.json"
diff "$work/told.json" "$work/has.json" >"$work/diff.log" || fail "documents differ from what was told"
# And it is found by what it says: the mapping that the node has made of it is of use.
found="$(ask "$url/logs-keyhound/_search?size=0" -d '{"query": {"bool": {"filter": [{"range": {"@timestamp": {"gte": "2026-07-01", "lt": "2026-07-02"}}},
  {"match": {"event.code": "cost_spike"}}]}}}' | jq .hits.total.value)"
same "found by day and rule" "$found" "$(jq -s '[.[] | select(.alert_type == "cost_spike")] | length' "$work/first")"
echo "ok: opensearch $(ask "$url" | jq -r .version.number): $count events in an index and in a data stream, sent twice and there once"
