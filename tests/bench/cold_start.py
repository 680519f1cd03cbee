"""From exec to READY=1, against a bare process that only imports the libraries.

`python -m tests.bench.cold_start`. Runs alternate; compiled modules are in the page cache.
"""

import asyncio
from collections.abc import Iterator
from typing import Final

from tests.bench.disk import directory_on_disk
from tests.bench.figures import Figure, median, run
from tests.bench.processes import BARE_START, start_s, write_config

RUNS: Final = 11
GOAL_TIMES: Final = 3.0


def measure() -> Iterator[Figure]:
    """Seconds of both, and the ratio."""
    ours, bare = asyncio.run(_measure())
    yield Figure("cold start to READY", median(ours), "s", reference=f"minimum {min(ours):.3f}")
    yield Figure("bare imports", median(bare), "s", reference=f"minimum {min(bare):.3f}")
    yield Figure("cold start ÷ bare imports", median(ours) / median(bare), "×", GOAL_TIMES)


async def _measure() -> tuple[list[float], list[float]]:
    ours: list[float] = []
    bare: list[float] = []
    with directory_on_disk() as directory:
        # neither the broker nor the adapter has to be there for a start
        config = write_config(directory, 1, "C0:FF:EE:00:00:01")
        for number in range(RUNS + 1):
            gateway = await start_s(("-m", "gatewayd", "run", "--config", str(config)), directory)
            imports = await start_s(("-c", BARE_START), directory)
            if number:  # the first one compiles, and creates the store
                ours.append(gateway)
                bare.append(imports)
    return ours, bare


if __name__ == "__main__":
    run(measure)
