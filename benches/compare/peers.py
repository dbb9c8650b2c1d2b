"""The same job in other ways: requests and money by key and day, baselines of the first week, the five checks.

What the others leave out, and keyhound does not: rejects with a reason, duplicates, late records, memory that is bounded,
alerts while records come, the other detectors. They read the whole file and answer at its end.
"""

import os
import statistics
import subprocess
import sys
import time

LEARNED = 7  # days, as in benches/common/reference.rs

DUCKDB = f"""
WITH record AS (
    SELECT timestamp::TIMESTAMP AS happened, api_key_prefix AS key, model, source_ip, cost_usd
    FROM read_json(?, format='newline_delimited', columns={{
        timestamp: 'VARCHAR', api_key_prefix: 'VARCHAR', model: 'VARCHAR', input_tokens: 'BIGINT', output_tokens: 'BIGINT',
        endpoint: 'VARCHAR', source_ip: 'VARCHAR', user_agent: 'VARCHAR', status_code: 'INTEGER', cost_usd: 'DOUBLE'}})
), begun AS (SELECT key, min(happened)::DATE AS "first" FROM record GROUP BY key),
placed AS (SELECT record.*, happened::DATE - "first" AS day FROM record JOIN begun USING (key)),
days AS (SELECT key, day, count(*) AS requests, sum(cost_usd) AS cost FROM placed GROUP BY key, day),
usual AS (
    SELECT key, avg(requests) AS mean, coalesce(stddev_pop(requests), 0) AS deviation, avg(cost) AS cost
    FROM days WHERE day < {LEARNED} GROUP BY key
), hours AS (
    SELECT key, hour(happened) AS hour, count(*) AS requests, sum(count(*)) OVER (PARTITION BY key) AS everything
    FROM placed WHERE day < {LEARNED} GROUP BY key, hour(happened)
), active AS (SELECT key, hour FROM hours WHERE requests * 100 > everything),
models AS (SELECT DISTINCT key, model FROM placed WHERE day < {LEARNED}),
places AS (SELECT DISTINCT key, source_ip FROM placed WHERE day < {LEARNED}),
later AS (SELECT * FROM placed WHERE day >= {LEARNED})
SELECT
    (SELECT count(*) FROM record),
    (SELECT count(*) FROM days JOIN usual USING (key) WHERE day >= {LEARNED} AND deviation > 0 AND requests > mean + 3 * deviation)
    + (SELECT count(*) FROM days JOIN usual USING (key) WHERE day >= {LEARNED} AND days.cost > greatest(5 * usual.cost, 10))
    + (SELECT count(*) FROM (SELECT DISTINCT key, day FROM later ANTI JOIN models USING (key, model)))
    + (SELECT count(*) FROM (SELECT DISTINCT key, day FROM later ANTI JOIN places USING (key, source_ip)))
    + (SELECT count(*) FROM (
        SELECT later.key, day, avg((active.hour IS NULL)::INT) AS off
        FROM later LEFT JOIN active ON later.key = active.key AND hour(later.happened) = active.hour
        GROUP BY ALL HAVING off > 0.3))
"""


def duckdb(path):
    import duckdb

    base = duckdb.connect()
    base.execute("SET threads = 1")
    return base.execute(DUCKDB, [path]).fetchone()


def polars(path):
    import polars as pl

    names = {"timestamp": pl.String, "api_key_prefix": pl.String, "model": pl.String, "input_tokens": pl.Int64,
             "output_tokens": pl.Int64, "endpoint": pl.String, "source_ip": pl.String, "user_agent": pl.String,
             "status_code": pl.Int64, "cost_usd": pl.Float64}
    at = pl.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ")
    record = pl.scan_ndjson(path, schema=names).select(
        "api_key_prefix", "model", "source_ip", "cost_usd", date=at.dt.date(), hour=at.dt.hour()).collect()
    record = record.with_columns(
        day=(pl.col("date") - pl.col("date").min().over("api_key_prefix")).dt.total_days())
    key = "api_key_prefix"
    days = record.group_by(key, "day").agg(requests=pl.len(), cost=pl.col("cost_usd").sum())
    learned, later = record.filter(pl.col("day") < LEARNED), record.filter(pl.col("day") >= LEARNED)
    usual = days.filter(pl.col("day") < LEARNED).group_by(key).agg(
        mean=pl.col("requests").mean(), deviation=pl.col("requests").std(ddof=0), usual=pl.col("cost").mean())
    judged = days.filter(pl.col("day") >= LEARNED).join(usual, on=key)
    alerts = judged.filter((pl.col("deviation") > 0) & (pl.col("requests") > pl.col("mean") + 3 * pl.col("deviation"))).height
    alerts += judged.filter(pl.col("cost") > pl.max_horizontal(5 * pl.col("usual"), pl.lit(10.0))).height
    for column in ("model", "source_ip"):
        known = learned.select(key, column).unique()
        alerts += later.join(known, on=[key, column], how="anti").select(key, "day").unique().height
    hours = learned.group_by(key, "hour").agg(requests=pl.len()).with_columns(all=pl.col("requests").sum().over(key))
    active = hours.filter(pl.col("requests") * 100 > pl.col("all")).select(key, "hour", active=pl.lit(True))
    off = later.join(active, on=[key, "hour"], how="left").group_by(key, "day").agg(off=pl.col("active").is_null().mean())
    return record.height, alerts + off.filter(pl.col("off") > 0.3).height


def python(path):
    import collections
    import json

    keys, alerts, records = {}, 0, 0
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            records += 1
            key = keys.setdefault(record["api_key_prefix"], {"days": collections.defaultdict(lambda: [0, 0.0, [0] * 24, set(), set()])})
            day = key["days"][record["timestamp"][:10]]
            day[0] += 1
            day[1] += record["cost_usd"]
            day[2][int(record["timestamp"][11:13])] += 1
            day[3].add(record["model"])
            day[4].add(record["source_ip"])
    for key in keys.values():
        days = [key["days"][day] for day in sorted(key["days"])]
        learned, later = days[:LEARNED], days[LEARNED:]
        mean = statistics.fmean(day[0] for day in learned)
        deviation = statistics.pstdev(day[0] for day in learned)
        cost = statistics.fmean(day[1] for day in learned)
        hours = [sum(day[2][hour] for day in learned) for hour in range(24)]
        off = [count * 100 <= sum(hours) for count in hours]
        models, places = set().union(*(day[3] for day in learned)), set().union(*(day[4] for day in learned))
        for day in later:
            alerts += (deviation > 0 and day[0] > mean + 3 * deviation) + (day[1] > max(5 * cost, 10))
            alerts += bool(day[3] - models) + bool(day[4] - places)
            alerts += sum(count for count, is_off in zip(day[2], off) if is_off) > 0.3 * day[0]
    return records, alerts


PEERS = {"DuckDB": duckdb, "polars": polars, "Python": python}


def measured(command):
    """Seconds of the processor, seconds by the clock, and what was said last."""
    environment = dict(os.environ, POLARS_MAX_THREADS="1")
    begun, started = os.times(), time.monotonic()
    done = subprocess.run(["taskset", "-c", "0", *command], env=environment, capture_output=True, text=True)
    ended = os.times()
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    used = ended.children_user + ended.children_system - begun.children_user - begun.children_system
    return used, time.monotonic() - started, (done.stdout + done.stderr).strip().splitlines()


def main(keyhound, path, runs):
    ours = [keyhound, "run", "--threads", "1", path]
    commands = {"keyhound": ours}
    commands |= {name: [sys.executable, __file__, "--peer", name, path] for name in PEERS}
    taken = {name: [] for name in commands}
    for _ in range(runs + 1):
        for name, command in commands.items():
            taken[name].append(measured(command))
    with open(path, "rb") as lines:
        records = sum(1 for _ in lines)
    print(f"{records} records, {os.path.getsize(path) // records} bytes each, one processor, {runs} turns; the middle of each\n")
    print(f"{'':<10} {'CPU s':>8} {'records/s of CPU':>18} {'CPU / keyhound, turn by turn':>30}")
    for name, turns in taken.items():
        # The first turn warms the file's pages.
        turns = turns[1:]
        cpu = statistics.median(turn[0] for turn in turns)
        ratio = statistics.median(turn[0] / own[0] for turn, own in zip(turns, taken["keyhound"][1:]))
        print(f"{name:<10} {cpu:>8.2f} {records / cpu / 1e6:>16.2f} M {ratio:>30.2f}")
    for name in PEERS:
        print(f"{name}: {taken[name][-1][2][-1]}")


if __name__ == "__main__":
    if sys.argv[1] == "--peer":
        records, alerts = PEERS[sys.argv[2]](sys.argv[3])
        print(f"{records} records, {alerts} alerts")
    else:
        main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
