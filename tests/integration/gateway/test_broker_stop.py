"""The broker goes away in the middle of a synchronisation and comes back."""

import os
import signal
from pathlib import Path

import pytest

from tests.brokers import needs_mosquitto
from tests.integration.gateway.house import House, furnished, new_watch
from tests.integration.gateway.witness import Phase, Point

pytestmark = needs_mosquitto

MANY = 60.0
"""Seconds for what waits for several growing delays."""

KEEPS_SESSIONS = ("autosave_on_changes true", "queue_qos0_messages true")
"""So that a killed broker still knows its subscriber, who may come back later than the gateway.

What a broker acknowledged and had not handed on is lost with it, and it resets connections on which
something is unread. At QoS 0 it hands on before it acknowledges, and there is nothing to read:
whatever is missing then was lost by the gateway.
"""


@pytest.mark.parametrize("write", [1, 20, 45])
async def test_a_broker_that_is_stopped_for_a_while_in_mid_sync_misses_nothing(
    write: int, tmp_path: Path
) -> None:
    async with furnished(tmp_path, new_watch()) as house:
        await synchronise_without_a_broker(house, write, cleanly=True)


@pytest.mark.parametrize("write", [1, 20, 45])
async def test_a_broker_that_is_killed_in_mid_sync_misses_nothing(
    write: int, tmp_path: Path
) -> None:
    async with furnished(tmp_path, new_watch(), qos=0, broker_options=KEEPS_SESSIONS) as house:
        await synchronise_without_a_broker(house, write, cleanly=False)


async def test_a_broker_that_falls_while_the_outbox_drains_misses_nothing(tmp_path: Path) -> None:
    async with furnished(tmp_path, new_watch(), qos=0, broker_options=KEEPS_SESSIONS) as house:
        await house.broker.stop()
        gateway = await house.gateway()
        await gateway.says("synchronised")
        for fall in range(2):
            fallen = fall_at(house, len(house.subscriber.readings) + 150)
            await house.broker.start()
            await house.until(lambda: fallen, f"fall {fall}", MANY)  # noqa: B023
            await house.broker.kill()
            assert house.waiting() > 100
        await house.broker.start()
        await house.everything_published(MANY)
        await gateway.stop()
        await house.check_books()
        assert house.waiting() == 0
        print(f"{house.subscriber.repeats()} repeats")


async def synchronise_without_a_broker(house: House, write: int, *, cleanly: bool) -> None:
    """One whole synchronisation, during which the broker ends and after which it comes back."""
    house.witness.arm(Point(Phase.TRANSFER, write), lambda: None)
    gateway = await house.gateway()
    await house.until(lambda: house.witness.struck, f"write {write}")
    await (house.broker.stop() if cleanly else house.broker.kill())
    assert house.watch.held, "the broker went away too late to prove anything"
    # the way up does not even notice
    await gateway.says("synchronised")
    assert not house.watch.held
    assert house.waiting() > 100
    assert len(house.subscriber.by_id()) < house.rows()
    await house.broker.start()
    await house.everything_published(MANY)
    await gateway.stop()
    await house.check_books()
    assert house.waiting() == 0
    assert [entry["task"] for entry in gateway.entries("failed")] == ["mqtt"]
    assert [entry["task"] for entry in gateway.entries("recovered")] == ["mqtt"]
    print(f"{house.subscriber.repeats()} repeats")


def fall_at(house: House, count: int) -> list[int]:
    """Kill the broker in the very moment that a reading arrives; the list is filled then."""
    fallen: list[int] = []

    def strike(arrived: int) -> None:
        process = house.broker._process
        if arrived >= count and not fallen and process is not None:
            os.kill(process.pid, signal.SIGKILL)
            fallen.append(arrived)

    house.subscriber.on_reading = strike
    return fallen
