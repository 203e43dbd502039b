"""Measure a suite that kent's wheel brings along, where nothing else is installed (`make wheel`).

Prints what measuring prints, then how many packages the environment holds, and their size.
"""

import subprocess
import sys
from importlib.metadata import distributions

EXTRA = {"accelerate", "datasets", "lm_eval", "matplotlib", "pandas", "ruamel.yaml", "scipy"}


def main() -> None:
    installed = {each.name: each for each in distributions()}
    if extra := EXTRA & installed.keys():
        sys.exit(f"the environment is not light: it holds {', '.join(sorted(extra))}")
    command = [sys.executable, "-m", "kent", "profile", "small", "--corpus", "world"]
    subprocess.run([*command, "--limit", "16", "--length", "64"], check=True)
    files = [file.locate() for each in installed.values() for file in each.files or []]
    size = sum(file.stat().st_size for file in files if file.is_file()) / 2**20
    print(f"{len(installed)} packages, {size:,.0f} MiB: {', '.join(sorted(installed))}")


if __name__ == "__main__":
    main()
