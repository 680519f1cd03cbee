"""A watch that misbehaves, and one of which only a part may be collected, end to end."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from protocols.testing.virtual_watch import Faults
from tests.brokers import needs_mosquitto
from tests.integration.gateway import facts
from tests.integration.gateway.house import SLUG, furnished, new_watch

pytestmark = needs_mosquitto

STEPS, HEART_RATE = 1, 3


@pytest.mark.parametrize(
    "faults",
    [
        Faults(drop_before_end=frozenset({1})),
        Faults(drop_before_result=frozenset({2})),
        Faults(drop_at=frozenset({15, 40})),
        Faults(repeated=frozenset(range(3, 120, 4))),
        Faults(acts_on_duplicates=True, unacknowledged=frozenset({12})),
        Faults(deaf=frozenset({11}), wrong_crc=frozenset({14})),
        Faults(data_sizes=(1, 7, 120, 13), empty_groups=True),
        Faults(interrupted=frozenset({1, 2, 3})),
    ],
    ids=lambda faults: ",".join(
        name for name, value in asdict(faults).items() if value != getattr(Faults(), name)
    ),
)
async def test_a_fault_of_the_watch_costs_time_and_nothing_else(
    faults: Faults, tmp_path: Path
) -> None:
    async with furnished(tmp_path, new_watch(days=2, faults=faults)) as house:
        gateway = await house.gateway()
        await gateway.says("synchronised")
        await house.everything_published()
        await gateway.stop()
        await house.check_books()
        assert not house.watch.held
        assert house.subscriber.repeats() == 0


async def test_an_item_with_a_wrong_byte_count_stays_on_the_watch_until_it_comes_whole(
    tmp_path: Path,
) -> None:
    watch = new_watch(days=2, faults=Faults(wrong_count=frozenset({1})))
    async with furnished(tmp_path, watch) as house:
        gateway = await house.gateway()
        await gateway.says("request_failed")
        assert not house.watch.erased
        assert not facts.stored(house.store)
        # the wearer ends a workout, which is a reason to synchronise again
        watch.push(0x02, 0xCA, b"\x02\x00", house.now())
        house.peripheral.wake()
        await gateway.says("synchronised")
        await house.everything_published()
        await gateway.stop()
        await house.check_books()
        assert not house.watch.held
        assert house.subscriber.repeats() == 0


async def test_what_is_dated_in_the_future_is_not_published_but_its_bytes_are_kept(
    tmp_path: Path,
) -> None:
    now = datetime.now(ZoneInfo(facts.ZONE)).replace(tzinfo=None, microsecond=0)
    watch = new_watch(until=now, days=2, faults=Faults(future_dated=True))
    streams = {kind: watch._memory.stream(kind) for kind in watch.held}
    assert len(streams[HEART_RATE]) > len(watch.held[HEART_RATE].data)
    async with furnished(tmp_path, watch) as house:
        gateway = await house.gateway()
        await gateway.says("synchronised")
        await house.everything_published()
        await gateway.stop()
        await house.check_books()
        raw: dict[str, bytes] = dict(facts.query(house.store, "SELECT source, data FROM raw"))
        for kind, stream in streams.items():
            assert raw[f"fitcloud/item/{kind}"] == stream
        assert gateway.entries("anomaly")


async def test_what_the_owner_does_not_collect_is_neither_read_nor_stored_nor_published(
    tmp_path: Path,
) -> None:
    async with furnished(tmp_path, new_watch(days=2), collect=["activity"]) as house:
        before = dict(house.watch.held)
        gateway = await house.gateway()
        await gateway.says("synchronised")
        await house.everything_published()
        await gateway.stop()
        await house.everything_published()

        heard = house.watch.log
        assert [message.value[0] for message in heard if message[:2] == (5, 1)] == [STEPS]
        assert not [message for message in heard if message[:2] == (2, 0xE1)]  # resting heart rate
        del before[STEPS]
        assert dict(house.watch.held) == before

        allowed = {"steps", "day_totals", "battery"}
        kinds = {kind for (kind,) in facts.query(house.store, "SELECT DISTINCT kind FROM reading")}
        assert kinds == set(house.subscriber.kinds()) == allowed
        sources = facts.query(house.store, "SELECT DISTINCT source FROM raw")
        assert sources == [(f"fitcloud/item/{STEPS}",)]
        telling = ("heart", "bpm", "sleep", "workout")
        names = [key for (key,) in facts.query(house.store, "SELECT key FROM latest")]
        names += house.subscriber.state(SLUG)
        for reading in house.subscriber.by_id().values():
            names += reading
        ((fields,),) = facts.query(
            house.store, "SELECT fields FROM reading WHERE kind = 'day_totals'"
        )
        names += json.loads(fields)
        assert not [name for name in names if any(word in str(name) for word in telling)]
        discovery = house.subscriber.discovered(SLUG)
        shown = [key for key, component in discovery.items() if "state_topic" in component]
        assert "steps_today" in " ".join(shown)
        assert not [key for key in shown if any(word in key for word in telling)]
