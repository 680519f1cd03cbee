"""The gateway is killed at fifty points of a synchronisation, and nothing is lost, doubled or
forgotten too early."""

from pathlib import Path
from random import Random

import pytest

from tests.brokers import needs_mosquitto
from tests.integration.gateway.daemon import Daemon
from tests.integration.gateway.house import DATA_BYTES, House, furnished, new_watch
from tests.integration.gateway.remarks import REMARKS
from tests.integration.gateway.witness import Phase, Point

pytestmark = needs_mosquitto

SEEDS = (1, 2, 3, 4, 5)
PHASES = (
    Phase.LOGIN,
    Phase.TRANSFER,
    Phase.TRANSFER,
    Phase.TRANSFER,
    Phase.COMMIT,
    Phase.UNFORGOTTEN,
    Phase.UNFORGOTTEN,
    Phase.FORGOTTEN,
    Phase.PUBLISHING,
    Phase.PUBLISHING,
)
"""Ten kills a seed."""

LOGIN_WRITES = 8
NEW_VALUES = 40
"""What the watch measures between two lives, so that there is always something to strike at."""

LEAST_WRITES = 25
STRIKE_S = 40.0


def choose(phase: Phase, house: House, rng: Random) -> Point:
    """A point that the coming life certainly reaches."""
    items = len(house.watch.held)
    match phase:
        case Phase.LOGIN:
            return Point(phase, rng.randint(1, LOGIN_WRITES), rng.random() < 0.5)
        case Phase.TRANSFER:
            writes = max(LEAST_WRITES, house.watch.total_bytes // DATA_BYTES)
            return Point(phase, rng.randint(1, writes), rng.random() < 0.5)
        case Phase.COMMIT | Phase.FORGOTTEN:
            return Point(phase, rng.randint(1, items))
        case Phase.UNFORGOTTEN:
            return Point(phase, rng.randint(1, items), seen=False)
        case Phase.PUBLISHING:
            return Point(phase, rng.randint(1, NEW_VALUES))


async def live_until_killed(house: House, point: Point) -> Daemon:
    """One life of the gateway, ended at that point."""
    gateway = await house.gateway()
    struck = len(house.witness.struck)
    if point.phase is Phase.PUBLISHING:
        first = len(house.subscriber.readings)

        def strike(count: int) -> None:
            if count - first == point.number:
                house.subscriber.on_reading = None
                gateway.kill()
                house.witness.struck.append(point)

        house.subscriber.on_reading = strike
    else:
        house.witness.arm(point, gateway.kill)
    await house.until(lambda: len(house.witness.struck) > struck, f"a kill at {point}", STRIKE_S)
    await gateway.ends()
    assert gateway.process.returncode == -9
    await house.until(
        lambda: not house.peripheral.is_connected, "the watch notices that its host has died"
    )
    return gateway


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_gateway_that_is_killed_again_and_again_loses_doubles_and_forgets_nothing(
    seed: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rng = Random(seed)
    plan = list(PHASES)
    rng.shuffle(plan)
    async with furnished(tmp_path, new_watch()) as house:
        for life, phase in enumerate(plan):
            house.live_on(life, NEW_VALUES)
            point = choose(phase, house, rng)
            try:
                await live_until_killed(house, point)
            finally:
                print(f"seed {seed}, life {life}: {point}")
            assert not house.witness.violations
        house.witness.arm(None, lambda: None)
        last = await house.gateway()
        await last.says("synchronised")
        await house.everything_published()
        await last.stop()
        await house.check_books()
        assert house.waiting() == 0
        assert not house.watch.held
        struck = [point.phase for point in house.witness.struck]
        assert sorted(struck) == sorted(PHASES)
        assert house.witness.strikes_in_doubt == PHASES.count(Phase.UNFORGOTTEN)
        request.config.stash.setdefault(REMARKS, []).append(
            f"kill test, seed {seed}: {len(struck)} kills, {house.rows()} readings,"
            f" {house.subscriber.repeats()} repeats"
        )
