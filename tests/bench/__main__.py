"""All benchmarks, each in a process of its own, and one table. `python -m tests.bench [NAME …]`"""

import json
import subprocess
import sys
from typing import Final

from tests.bench.figures import Figure, machine, table

BENCHMARKS: Final = ("decode", "latency", "backfill", "idle", "cold_start", "sync", "replay")


def main(names: list[str]) -> int:
    """Returns the exit status: 1 when a benchmark could not be run. Goals are not asserted."""
    figures: list[Figure] = []
    failed = False
    for name in names or BENCHMARKS:
        print(f"running {name} …", file=sys.stderr, flush=True)
        command = (sys.executable, "-m", f"tests.bench.{name}", "--json")
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
        failed = failed or done.returncode != 0
        for line in done.stdout.splitlines():
            figure = Figure(**json.loads(line))
            figures.append(figure)
    print(machine())
    print(table(figures))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
