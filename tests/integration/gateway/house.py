"""A whole house for a gateway that lives in a process of its own and may die: the watch, its
controller, the broker and a subscriber, all of which survive it."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

from gatewayd.virtual.air import Air
from gatewayd.virtual.peripheral import Peripheral, on_air
from protocols.testing.virtual_watch import Entry, Faults, VirtualWatch, build_history
from tests.brokers import Mosquitto
from tests.integration.gateway import facts
from tests.integration.gateway.bell import LIMIT_S, Bell
from tests.integration.gateway.daemon import Daemon
from tests.integration.gateway.subscriber import Subscriber, subscribing
from tests.integration.gateway.witness import Witness

UNTIL = datetime(2025, 3, 9, 21, 0)  # noqa: DTZ001 - a watch knows no time zone
"""The watch's history ends here: long ago, so that every run sees the same."""

SLUG = "alice"
USER_ID = "house-of-tests-0001"
EVERYTHING = ("activity", "heart", "sleep", "workout")
DATA_BYTES = 120
HEALTHY = Faults()


def new_watch(*, until: datetime = UNTIL, days: int = 3, faults: Faults = HEALTHY) -> VirtualWatch:
    """A watch with some days of history, in small frames."""
    history = build_history(until, days=days)
    return VirtualWatch(history, faults=faults, data_bytes=DATA_BYTES)


class House:
    """Made by `furnished`."""

    def __init__(
        self,
        directory: Path,
        bell: Bell,
        witness: Witness,
        peripheral: Peripheral,
        broker: Mosquitto,
        subscriber: Subscriber,
        config: Path,
    ) -> None:
        self.directory = directory
        self.bell = bell
        self.witness = witness
        self.watch = witness.watch
        self.peripheral = peripheral
        self.broker = broker
        self.subscriber = subscriber
        self.config = config
        self.store = directory / "gatewayd.db"
        self.added: list[Entry] = []
        self.daemons: list[Daemon] = []
        self._initial = list(self.watch.entries)

    async def gateway(self, environment: Mapping[str, str] = {}) -> Daemon:
        """Start the gateway."""
        daemon = await Daemon.start(self.config, environment)
        self.daemons.append(daemon)
        return daemon

    async def until(
        self, condition: Callable[[], object], what: str, limit_s: float = LIMIT_S
    ) -> None:
        """Wait; when it does not come true in time, the error tells what the gateway said."""
        try:
            await self.bell.until(condition, what, limit_s)
        except AssertionError as error:
            if not self.daemons:
                raise
            last = self.daemons[-1]
            last.kill()
            await last.ends()
            raise AssertionError(f"{error}; the gateway said:\n{last.text}") from None

    @staticmethod
    def now() -> float:
        """The watch's own seconds."""
        return asyncio.get_running_loop().time()

    def live_on(self, life: int, values: int) -> None:
        """While the gateway is away, the watch measures heart rates between the old ones."""
        midnight = UNTIL.replace(hour=0)
        for number in range(values):
            slot = life // 4 * values + number
            at = midnight + timedelta(minutes=5 * slot + life % 4 + 1)
            bpm = 50 + (life * 7 + number * 3) % 60
            self.watch.add_heart_rate(at, bpm)
            self.added.append(Entry("heart_rate", at, bpm))

    def expected(self) -> Counter[facts.Fact]:
        """Every reading that the watch ever had."""
        return facts.held([*self._initial, *self.added])

    def rows(self) -> int:
        """Readings in the store, every revision counted."""
        return int(facts.query(self.store, "SELECT count(*) FROM reading")[0][0])

    def waiting(self) -> int:
        """Readings in the store that the broker has not taken."""
        return int(facts.query(self.store, "SELECT count(*) FROM outbox")[0][0])

    async def everything_published(self, limit_s: float = LIMIT_S) -> None:
        """Wait until the subscriber has every row of the store; once the gateway is stopped, every
        one that the broker took before."""
        running = any(daemon.process.returncode is None for daemon in self.daemons)
        rows = self.rows() - (0 if running else self.waiting())
        subscriber = self.subscriber
        await self.until(
            lambda: len(subscriber.by_id()) >= rows, f"{rows} ids at the subscriber", limit_s
        )

    async def check_books(self) -> None:
        """The watch, the store and the subscriber agree; nothing was forgotten too early.

        Call it when the gateway is stopped. What it read in its very last moment may still wait.
        """
        await self.everything_published()
        assert not self.witness.violations, self.witness.violations
        expected = self.expected()
        got = self.subscriber.by_id()
        for name, found in (
            ("the store", facts.stored(self.store)),
            ("the subscriber", facts.published(got.values())),
        ):
            missing, surplus = expected - found, found - expected
            assert not missing, f"{name} lacks {missing.total()}: {list(missing)[:5]}"
            assert not surplus, f"{name} has too many, {surplus.total()}: {list(surplus)[:5]}"
        rows, waiting = self.rows(), self.waiting()
        assert rows - waiting <= len(got) <= rows, f"{len(got)} ids, {rows} rows, {waiting} wait"
        altered = self.subscriber.altered()
        assert not altered, f"{len(altered)} ids stand for different things"
        assert facts.query(self.store, "SELECT kind, key FROM conflict") == []


@asynccontextmanager
async def furnished(
    directory: Path,
    watch: VirtualWatch,
    *,
    collect: Iterable[str] = EVERYTHING,
    broker_running: bool = True,
    broker_options: Iterable[str] = (),
    qos: int = 1,
) -> AsyncIterator[House]:
    """A house with everything running but the gateway."""
    bell = Bell()
    witness = Witness(watch, directory / "gatewayd.db", bell)
    subscriber = Subscriber(bell, qos)
    broker = Mosquitto(directory, extra=tuple(broker_options))
    air = Air()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(broker.stop)
        if broker_running:
            await broker.start()
        peripheral = await stack.enter_async_context(on_air(air, witness, watch.advertisement))
        port = await stack.enter_async_context(air.serve_controller())
        stack.enter_context(subscribing(broker.host, broker.port, subscriber, "house"))
        if broker_running:
            await bell.until(lambda: subscriber.subscriptions >= 2, "a subscription")
        config = directory / "config.toml"
        config.write_text(settings(directory, broker.port, port, watch, collect))
        house = House(directory, bell, witness, peripheral, broker, subscriber, config)
        try:
            yield house
        finally:
            for daemon in house.daemons:
                await daemon.remove()
        for daemon in house.daemons:
            for secret in (watch.advertisement.address, USER_ID):
                assert secret.lower() not in daemon.text.lower()


def settings(
    directory: Path, mqtt: int, hci: int | None, watch: VirtualWatch, collect: Iterable[str]
) -> str:
    """The configuration file; without an HCI port it means BlueZ."""
    transport = "" if hci is None else f'transport = "tcp-client:127.0.0.1:{hci}"'
    return f"""
user_id = "{USER_ID}"
[store]
path = "{directory}/gatewayd.db"
[mqtt]
url = "mqtt://127.0.0.1:{mqtt}"
[bluetooth]
{transport}
[log]
format = "json"
[[devices]]
address = "{watch.advertisement.address}"
name = "{SLUG}"
protocol = "fitcloud"
may_bind = true
timezone = "{facts.ZONE}"
collect = {json.dumps(list(collect))}
"""
