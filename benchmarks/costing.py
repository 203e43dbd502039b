"""What runs took: of the suite tiny's records in kent's cache, what kent/runs/times.yaml keeps.

    python benchmarks/costing.py    after `make book`, on the machine of cpu-learning.json

Nothing is timed here: benchmarks/README.md says what is read.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from statistics import median

import yaml

from kent import records
from kent.files import write_atomically
from kent.models.suites import SUITES
from kent.runs import times

ROOT = Path(__file__).parents[1]
SPEED = ROOT / "results/benchmarks/cpu-learning.json"
"""The record with the speed of a matrix product on one thread, as the runs of a book have it."""


def gather(timed: list[times.Timed]) -> list[dict]:
    """The median seconds of each kind and amount of work, and of how many runs."""
    grouped = defaultdict(list)
    for each in timed:
        if each.work.size == SUITES["tiny"].parameters:
            grouped[each.work.kind, each.work.size, each.work.operations].append(each.seconds)
    return [
        {
            "kind": kind,
            "size": size,
            "operations": operations,
            "seconds": round(median(seconds), 2),
            "runs": len(seconds),
        }
        for (kind, size, operations), seconds in sorted(grouped.items())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "kent/runs/times.yaml")
    out = parser.parse_args().out
    speed, here = json.loads(SPEED.read_text("utf-8")), records.describe_run()
    if speed["provenance"]["machine"] != here["machine"]:
        raise SystemExit(f"{SPEED.name} is of another machine: python benchmarks/learning.py first")
    head = {
        "machine": f"{speed['device']['name']}, {here['machine']}",
        "torch": here["torch"],
        "products": speed["training"]["matrix_rate"],
    }
    rows = gather(times.list_timed({}))
    lines = [yaml.safe_dump(head, sort_keys=False), "runs:\n"]
    lines += ["  - " + json.dumps(row) + "\n" for row in rows]
    with write_atomically(out) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")
    print(f"{len(rows)} kinds of work written: {out}")


if __name__ == "__main__":
    main()
