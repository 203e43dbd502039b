"""What importing costs: fresh processes up to a resolved name of kent, beside transformers alone.

    python benchmarks/importing.py

benchmarks/README.md says what is compared; the record goes to
results/benchmarks/cpu-importing.json.
"""

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from profiling import name_device, relate

from kent.records import describe_run, save_json

ROOT = Path(__file__).parents[1]
WAYS = {
    "torch": "import torch",
    "transformers": "from transformers import PreTrainedModel",
    "kent": "import kent",
    "profile": "import kent; kent.profile",
    "load": "import kent; kent.load",
    "learn": "import kent; kent.learn",
}
COMPARED = [("profile", "transformers"), ("learn", "transformers")]
TIMED = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"


def time_import(code: str) -> float:
    """Seconds that a line takes in a process that has imported nothing."""
    command = [sys.executable, "-c", TIMED.format(code)]
    return float(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


def run(repetitions: int) -> dict:
    """Times of all ways taken in turns, after a round that fills the caches, as one record."""
    rounds = [
        {name: time_import(code) for name, code in WAYS.items()} for _ in range(repetitions + 1)
    ]
    seconds = {name: [times[name] for times in rounds[1:]] for name in WAYS}
    return {
        "command": f"python benchmarks/importing.py --repetitions {repetitions}",
        "device": {"kind": "cpu", "name": name_device("cpu")},
        "repetitions": repetitions,
        "imports": WAYS,
        "seconds": seconds,
        "import_ratios": [relate(seconds, *pair) for pair in COMPARED],
        "provenance": describe_run(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--out", type=Path, default=ROOT / "results/benchmarks/cpu-importing.json")
    options = parser.parse_args()
    record = run(options.repetitions)
    save_json(record, options.out)
    for name, times in record["seconds"].items():
        print(f"{record['imports'][name]}: {statistics.median(times):.2f} s")


if __name__ == "__main__":
    main()
