"""`gatewayd run` with one connected watch that has nothing to say.

`python -m tests.bench.idle`. The gateway is a process of its own on bleak's BlueZ backend, with a
private message bus, a fake BlueZ and the virtual watch behind it; the broker is mosquitto. Beside
it a bare process that imports the same libraries and sleeps, and another one that also loads
bleak's BlueZ backend, which `import bleak` leaves to the first use. Measured once the watch's week
of history is synchronised and delivered.
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from protocols.testing.virtual_watch import VirtualWatch, build_history
from tests.bench.bluez_watch import WATCH_ADDRESS, watch_behind_bluez
from tests.bench.broker import mosquitto
from tests.bench.disk import directory_on_disk
from tests.bench.figures import Figure, median, run
from tests.bench.processes import (
    BARE_IDLE,
    logged,
    resident_mib,
    running,
    use,
    write_config,
)
from tests.fake_bluez import private_bus

RUNS: Final = 3
SETTLE_S: Final = 4.0
WATCH_S: Final = 15.0
BARE_WATCH_S: Final = 2.0
"""Memory is all that is asked of it."""

GOAL_RESIDENT_TIMES: Final = 1.3
GOAL_WAKE_UPS_PER_S: Final = 2.0
GOAL_CPU_PCT: Final = 0.5


class Idle(NamedTuple):
    """One process, watched for a while."""

    resident_mib: float
    wake_ups_per_s: float
    cpu_pct: float


def measure() -> Iterator[Figure]:
    """Resident memory, wake-ups and CPU time, medians of the runs."""
    ours, bare, radio = asyncio.run(_measure())
    resident = median([one.resident_mib for one in ours])
    least = median([one.resident_mib for one in bare])
    yield Figure("idle: resident, gateway", resident, "MiB")
    yield Figure("idle: resident, bare imports", least, "MiB", reference="without pydantic")
    yield Figure("idle: resident ÷ bare", resident / least, "×", GOAL_RESIDENT_TIMES)
    with_radio = median([one.resident_mib for one in radio])
    yield Figure(
        "idle: resident, bare with BlueZ backend",
        with_radio,
        "MiB",
        reference=f"gateway is {resident / with_radio:.2f} ×",
    )
    wake_ups = median([one.wake_ups_per_s for one in ours])
    yield Figure("idle: wake-ups", wake_ups, "1/s", GOAL_WAKE_UPS_PER_S)
    yield Figure("idle: CPU", median([one.cpu_pct for one in ours]), "%", GOAL_CPU_PCT)


async def _measure() -> tuple[list[Idle], list[Idle], list[Idle]]:
    ours: list[Idle] = []
    bare: list[Idle] = []
    radio: list[Idle] = []
    for _ in range(RUNS):
        with directory_on_disk() as directory:
            ours.append(await _gateway(directory))
        bare.append(await _bare(BARE_IDLE))
        radio.append(await _bare(f"import bleak_retry_connector; {BARE_IDLE}"))
    return ours, bare, radio


async def _gateway(directory: Path) -> Idle:
    now = datetime.now().replace(microsecond=0)  # noqa: DTZ005 - a watch face has no zone
    watch = VirtualWatch(build_history(now, days=7))
    async with (
        mosquitto() as broker,
        private_bus(directory) as bus,
        watch_behind_bluez(bus, watch),
    ):
        config = write_config(directory, broker.port, WATCH_ADDRESS)
        arguments = ("-m", "gatewayd", "run", "--config", str(config))
        async with running(arguments, {"DBUS_SYSTEM_BUS_ADDRESS": bus}) as process:
            async with asyncio.timeout(60):
                await logged(process, "synchronised")
            return await _watched(process.pid, WATCH_S)


async def _bare(program: str) -> Idle:
    async with running(("-c", program)) as process:
        return await _watched(process.pid, BARE_WATCH_S)


async def _watched(pid: int, watch_s: float) -> Idle:
    await asyncio.sleep(SETTLE_S)
    before = use(pid)
    await asyncio.sleep(watch_s)
    after = use(pid)
    passed = after.at_s - before.at_s
    return Idle(
        resident_mib(pid),
        (after.wake_ups - before.wake_ups) / passed,
        100 * (after.cpu_s - before.cpu_s) / passed,
    )


if __name__ == "__main__":
    run(measure)
