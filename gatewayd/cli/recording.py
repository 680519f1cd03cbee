"""One link, recorded from its first moment to its last, without making the watch forget anything.

A session of the watch's protocol logs in and describes the watch; nothing else is asked of it. What
it sends by itself is recorded and never confirmed, so no protocol can take it for stored.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gatewayd.causes import cause
from gatewayd.config_models import BluetoothConfig
from gatewayd.core.clock import Clock
from gatewayd.core.device import REFUSALS
from gatewayd.core.driver import Driver
from gatewayd.core.ports import Link, Radio
from gatewayd.core.recognition import recognise
from gatewayd.core.recording import RecordingRadio
from gatewayd.core.timeline import Timeline
from gatewayd.errors import (
    BondRefused,
    LinkLost,
    OutputFailed,
    ProtocolMismatch,
    StoreError,
    StoreLocked,
)
from gatewayd.lifecycle import heed_cancellation
from gatewayd.logs import short_address
from gatewayd.plugins import discover, find, ready
from gatewayd.radio import open_radio
from gatewayd.store.store import SqliteStore
from gatewayd.trace.write import FileRecorder, Format
from protocols.errors import DeviceRefused, NotThisProtocol, ProtocolError
from protocols.model.capabilities import Description
from protocols.model.events import ConfirmationNeeded, Event
from protocols.session import Batch, Property, SessionSettings
from protocols.spec import ProtocolSpec

Say = Callable[[str], None]
"""Tells a line to whoever waits."""

_REFUSALS: Final = REFUSALS | {
    "not_bound": "Record with --may-bind to bind it to this gateway; if a phone uses it, unbind it"
    " there.",
}
_PUSHES: Final = Property.NOTIFY | Property.INDICATE


@dataclass(frozen=True, slots=True)
class Plan:
    """What to record. `protocol` None has the device recognised; `listen` needs none."""

    address: str
    out: Path
    kind: Format
    bluetooth: BluetoothConfig
    settings: SessionSettings
    timeline: Timeline
    protocol: str | None = None
    listen: bool = False
    duration_s: float | None = None


async def record(plan: Plan, until: asyncio.Event, say: Say) -> None:
    """Record until the event is set or the time is over, then say how much it was.

    Raises OutputFailed for the file, BondRefused, ProtocolMismatch, PluginError for what can be
    mended, and what a radio raises; LinkLost also when the link ends before that. What was
    recorded until then is in the file.
    """
    faults: list[OutputFailed] = []
    stop = asyncio.Event()

    def failed(error: OutputFailed) -> None:
        faults.append(error)
        stop.set()

    recorder = FileRecorder(plan.out, plan.kind, failed)
    try:
        await _until(_serve(plan, recorder, say), until, stop)
    finally:
        recorder.close()
        count = recorder.steps
        say(f"{count:,} entries recorded in {plan.out}" if count else "nothing was recorded")
    if faults:
        raise faults[0]


@asynccontextmanager
async def no_gateway(store: Path) -> AsyncIterator[None]:
    """Keeps a gateway from serving this store, which exists, meanwhile: it would fight us for the
    watch.

    Raises StoreLocked when one does already.
    """
    try:
        opened = await SqliteStore.open(store)
    except StoreLocked as error:
        raise StoreLocked(
            "The gateway is running, and a watch has room for one connection",
            "Stop it first, or have it record itself: gatewayd run --record DIRECTORY",
        ) from error
    except StoreError:
        # No gateway can serve a store that cannot be opened, so none is in the way.
        opened = None
    try:
        yield
    finally:
        if opened is not None:
            await opened.close()


# --- inside -----------------------------------------------------------------------------------


async def _until(work: Coroutine[None, None, None], *ends: asyncio.Event) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            working = group.create_task(work)
            waiting = [group.create_task(end.wait()) for end in ends]
            await asyncio.wait((working, *waiting), return_when=asyncio.FIRST_COMPLETED)
            for task in (working, *waiting):
                task.cancel()
    except BaseExceptionGroup as failures:
        raise cause(failures) from failures


async def _serve(plan: Plan, recorder: FileRecorder, say: Say) -> None:
    name = short_address(plan.address)
    async with open_radio(plan.bluetooth) as radio:
        say(f"looking for {name} …")
        spec = None if plan.listen else await _spec(plan, radio)
        link = await RecordingRadio(radio, recorder).connect(plan.address)
        try:
            heed_cancellation()
            say(f"connected to {name}, recording into {plan.out}; Ctrl-C ends it")
            wanted = asyncio.timeout(plan.duration_s)
            try:
                async with wanted:
                    if spec is None:
                        await _listen(link, name)
                    else:
                        await _converse(plan, spec, link, name, say)
            except TimeoutError:
                if not wanted.expired():
                    raise
        finally:
            await link.close()


async def _spec(plan: Plan, radio: Radio) -> ProtocolSpec:
    records = discover()
    if plan.protocol is not None:
        return find(plan.protocol, records)
    try:
        return await recognise(plan.address, radio, ready(records))
    except ProtocolMismatch as error:
        raise ProtocolMismatch(
            error.summary, "Name its protocol with --protocol, or record it with --listen"
        ) from error


async def _converse(plan: Plan, spec: ProtocolSpec, link: Link, name: str, say: Say) -> None:
    if missing := spec.services - link.facts.services:
        raise _mismatch(spec, name, f"it lacks the service {', '.join(sorted(missing))}")
    clock = Clock(plan.timeline)
    driver = Driver(spec.open_session(plan.settings), link, _Owner(say), clock.now, name)
    try:
        await driver.run()
    except DeviceRefused as error:
        remedy = _REFUSALS.get(error.reason, "Try again; if it persists, restart the watch.")
        raise BondRefused(f"{name}: {error}", remedy) from error
    except NotThisProtocol as error:
        raise _mismatch(spec, name, str(error)) from error
    except ProtocolError as error:
        raise LinkLost(f"{name}: {error}", "Try again, with the watch nearby.") from error


async def _listen(link: Link, name: str) -> None:
    pushing = sorted(uuid for uuid, has in link.facts.characteristics.items() if has & _PUSHES)
    for uuid in pushing:
        await link.subscribe(uuid, _heard)
    await link.lost.wait()
    raise LinkLost(f"The connection to {name} was lost", "Bring it closer, and record again.")


def _heard(characteristic: str, data: bytes) -> None:
    """It is on tape, and nobody else wants it."""


def _mismatch(spec: ProtocolSpec, name: str, why: str) -> ProtocolMismatch:
    return ProtocolMismatch(
        f"{name} does not speak {spec.title}: {why}",
        "Check the address, name another --protocol, or record it with --listen.",
    )


class _Owner:
    """Implements `gatewayd.core.driver.Owner`."""

    def __init__(self, say: Say) -> None:
        self._say = say

    async def take(self, batch: Batch) -> object:
        """Never returns: what is not stored must not be confirmed."""
        return await asyncio.Event().wait()

    def described(self, description: Description) -> None:
        """The watch has answered everything."""
        self._say(f"the watch is ready: {description.model or 'of an unknown model'}")

    def happened(self, event: Event) -> None:
        """The one event that needs somebody."""
        if isinstance(event, ConfirmationNeeded):
            self._say(f"accept on the watch's screen within {event.timeout_s:g} s")
