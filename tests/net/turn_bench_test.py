#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The TURN bench runs, and its JSON has the rows and fields that are promised. Times are too short to
mean anything. Needs root and coturn. usage: tests/net/turn_bench_test.py BUILD_DIR"""
import itertools
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import run_cases
from turn_scene import lacking

FIELDS = {"mode", "bytes", "flows", "direction", "pps", "cpu_ns_per_packet", "p50_us", "p99_us"}
ROWS = set(itertools.product(("coturn", "inlay"), (160, 1200), (1, 1000),
                             ("to_peer", "to_client")))


def rows(processes):
    """Every row is there once, with every field, and packets arrived; none went astray."""
    result = processes.scratch / "turn.json"
    bench = processes.start("bench", ["tests/bench/turn_bench", "--runs", 1, "--ms", 100, "--json",
                                      result])
    processes.finish(bench, 600)
    told = json.loads(result.read_text())
    found = [(one["mode"], one["bytes"], one["flows"], one["direction"]) for one in told["rows"]]
    assert len(found) == len(ROWS) and set(found) == ROWS, found
    for one in told["rows"]:
        assert set(one) == FIELDS, one
        assert one["pps"] > 0 and 0 < one["p50_us"] <= one["p99_us"], one


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    build = pathlib.Path(sys.argv[1]).resolve()
    why = lacking(build, ("turnserver",))
    if not why and not (build / "tests/bench/turn_bench").exists():
        why = "the bench is not built (clang, libbpf-dev?)"
    if why:
        print(f"skipped: {why}")
        return 77
    return run_cases([rows], build)


if __name__ == "__main__":
    sys.exit(main())
