"""Nothing goes wrong: every reading arrives once, and a second time nothing."""

from pathlib import Path

from tests.brokers import needs_mosquitto
from tests.integration.gateway.house import furnished, new_watch

pytestmark = needs_mosquitto


async def test_without_a_crash_every_reading_arrives_exactly_once_and_nothing_twice(
    tmp_path: Path,
) -> None:
    async with furnished(tmp_path, new_watch()) as house:
        for run in range(2):
            before = house.subscriber.kinds()
            gateway = await house.gateway()
            await gateway.says("synchronised")
            await house.everything_published()
            await gateway.stop()
            await house.everything_published()
            await house.check_books()
            assert house.subscriber.repeats() == 0
            assert house.waiting() == 0
            assert not house.watch.held
            new = house.subscriber.kinds() - before
            if run:
                assert set(new) <= {"battery", "day_totals"}
            else:
                assert new["steps"] > 50
