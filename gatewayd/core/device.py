"""One watch: connect, serve, and be asked for things."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gatewayd.causes import cause
from gatewayd.core.clock import Clock
from gatewayd.core.driver import Driver
from gatewayd.core.ingest import Ingest
from gatewayd.core.ports import Broker, KnownDevice, Radio
from gatewayd.errors import BondRefused, LinkLost, ProtocolMismatch
from gatewayd.lifecycle import heed_cancellation
from gatewayd.logs import get_logger
from protocols.errors import DeviceRefused, LinkClosed, NotThisProtocol, ProtocolError
from protocols.model.capabilities import Description
from protocols.model.events import ConfirmationNeeded, Event, SyncFinished, SyncWanted
from protocols.model.intents import Intent, ReadBattery, Sync
from protocols.session import Batch, SessionSettings
from protocols.spec import ProtocolSpec

_log = get_logger()

REFUSALS = {
    "not_bound": "If it is new, set may_bind = true for it; if a phone uses it, unbind it there.",
    "refused_by_user": "Accept on the watch's screen when it asks.",
    "confirmation_timeout": "Accept on the watch's screen within a minute.",
    "reset_required": "Unbind it in its phone app, or reset the watch; stored data will be lost.",
}
"""What an owner can do about a refusal, by its reason."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What the gateway was told about one device."""

    address: str
    known: KnownDevice
    name: str
    spec: ProtocolSpec
    settings: SessionSettings


class Device:
    """Supervised alone: `serve` is one connection's life, and the supervisor repeats it."""

    def __init__(
        self,
        watch: Watch,
        radio: Radio,
        ingest: Ingest,
        broker: Broker,
        clock: Clock,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.watch = watch
        self._radio = radio
        self._ingest = ingest
        self._broker = broker
        self._clock = clock
        self._on_event = on_event
        self._up: Callable[[], None] = _nobody
        self._wanted: dict[Callable[[], Intent], None] = {}
        self._doing: Callable[[], Intent] | None = None
        self._work = asyncio.Event()

    async def serve(self, up: Callable[[], None]) -> None:
        """Connect and serve until the connection ends, which it does by an error. `up` is called
        once the watch answers.

        Raises ClockNotSet, DeviceNotFound, LinkLost, AdapterMissing, AdapterOff, BondRefused,
        ProtocolMismatch and StoreError.
        """
        self._clock.check()
        name = self.watch.known.slug
        link = await self._radio.connect(self.watch.address)
        try:
            heed_cancellation()
            missing = self.watch.spec.services - link.facts.services
            if missing:
                raise self._mismatch(f"it lacks the service {', '.join(sorted(missing))}")
            _log.info("connected", device=name, write_size=link.facts.write_size)
            session = self.watch.spec.open_session(self.watch.settings)
            driver = Driver(session, link, self, self._clock.now, name)
            self._up = up
            await self._drive(driver)
        finally:
            self._broker.availability(name, online=False)
            await link.close()

    def request(self, intent: Callable[[], Intent]) -> None:
        """Ask for something (a kind of intent that needs no arguments) as soon as the watch is
        connected, in order; asking twice is asking once."""
        self._wanted[intent] = None
        self._work.set()

    async def take(self, batch: Batch) -> object:
        """The driver's owner: make a batch durable."""
        return await self._ingest.take(batch)

    def described(self, description: Description) -> None:
        """The driver's owner: the watch is ready."""
        watch = self.watch
        self._up()
        _log.info("device_ready", device=watch.known.slug, model=description.model)
        self._broker.announce(watch.known.slug, watch.known.identity, watch.name, description)
        self._broker.availability(watch.known.slug, online=True)
        for intent in (ReadBattery, Sync):
            # one that was left over from the last connection has been waiting for this moment
            if intent is not self._doing:
                self.request(intent)

    def happened(self, event: Event) -> None:
        """The driver's owner: something was raised."""
        match event:
            case SyncWanted():
                self.request(Sync)
            case SyncFinished(readings=readings, received_bytes=received_bytes):
                _log.info(
                    "synchronised",
                    device=self.watch.known.slug,
                    readings=readings,
                    received_bytes=received_bytes,
                )
            case ConfirmationNeeded(timeout_s=timeout_s):
                _log.warning(
                    "confirm_on_the_watch", device=self.watch.known.slug, within_s=timeout_s
                )
            case _:
                pass
        if self._on_event is not None:
            self._on_event(event)

    # --- inside -------------------------------------------------------------------------------

    async def _drive(self, driver: Driver) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                worker = group.create_task(self._work_off(driver))
                await driver.run()
                worker.cancel()
        except BaseExceptionGroup as failures:
            self._explain(cause(failures))
            raise
        except ProtocolError as error:
            self._explain(error)

    def _explain(self, error: BaseException) -> None:
        """Raise what an error means for the owner."""
        slug = self.watch.known.slug
        if isinstance(error, DeviceRefused):
            remedy = REFUSALS.get(error.reason, "Try again; if it persists, restart the watch.")
            raise BondRefused(f"{slug}: {error}", remedy) from error
        if isinstance(error, NotThisProtocol):
            raise self._mismatch(str(error)) from error
        if isinstance(error, ProtocolError):
            raise LinkLost(f"{slug}: {error}", "It will be tried again.") from error
        raise error

    async def _work_off(self, driver: Driver) -> None:
        """One request after the other; one that fails is reported and does not end the link. What
        the end of the link interrupts is asked for again on the next one."""
        while True:
            await self._work.wait()
            while self._wanted:
                intent = self._doing = next(iter(self._wanted))
                del self._wanted[intent]
                try:
                    await self._carry_out(intent(), driver)
                except LinkClosed:
                    self._wanted[intent] = None
                    return
                except asyncio.CancelledError:
                    self._wanted[intent] = None
                    raise
                finally:
                    self._doing = None
            self._work.clear()

    async def _carry_out(self, intent: Intent, driver: Driver) -> None:
        try:
            await driver.request(intent)
        except LinkClosed:
            raise
        except ProtocolError as error:
            _log.warning(
                "request_failed",
                device=self.watch.known.slug,
                intent=type(intent).__name__,
                error=str(error),
            )
        else:
            if isinstance(intent, Sync):
                await self._ingest.synchronised()

    def _mismatch(self, why: str) -> ProtocolMismatch:
        title = self.watch.spec.title
        return ProtocolMismatch(
            f"{self.watch.known.slug} does not speak {title}: {why}",
            "Check the address, or name another protocol for this device.",
        )


def _nobody() -> None:
    """Nobody waits to hear that the watch answers."""
