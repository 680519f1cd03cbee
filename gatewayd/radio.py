"""The radio that the configuration asks for: BlueZ, or a controller driven from user space."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gatewayd.ble.bluez import BleakRadio
from gatewayd.config_models import BluetoothConfig
from gatewayd.core.ports import Link, Radio
from gatewayd.errors import MissingExtra
from protocols.spec import Advertisement

if TYPE_CHECKING:
    from gatewayd.virtual.backend import Central


@asynccontextmanager
async def open_radio(config: BluetoothConfig) -> AsyncIterator[Radio]:
    """For as long as the context is open. A missing adapter is no error yet: it may come.

    Raises MissingExtra when a `transport` is configured and Bumble is not installed.
    """
    radio: Radio
    if config.transport is None:
        radio = BleakRadio(config.adapter)
    else:
        _require_bumble()
        radio = ControllerRadio(config.transport)
    try:
        yield radio
    finally:
        await radio.close()


class ControllerRadio:
    """A radio over Bumble: attaches to its controller when it is first needed, and again after the
    controller has gone. See `gatewayd.core.ports.Radio`."""

    def __init__(self, transport: str) -> None:
        self._transport = transport
        self._lock = asyncio.Lock()
        self._stack: AsyncExitStack | None = None
        self._central: Central | None = None
        self._radio: BleakRadio | None = None

    @asynccontextmanager
    async def advertisements(self) -> AsyncIterator[AsyncIterator[Advertisement]]:
        """Scan for as long as the context is open. Raises AdapterMissing."""
        radio = await self._attached()
        async with radio.advertisements() as advertisements:
            yield advertisements

    async def connect(self, address: str) -> Link:
        """Connect. Raises AdapterMissing, DeviceNotFound, LinkLost."""
        radio = await self._attached()
        return await radio.connect(address)

    async def close(self) -> None:
        """Let the controller go."""
        async with self._lock:
            await self._detach()

    async def _attached(self) -> BleakRadio:
        async with self._lock:
            if self._radio is not None and self._central is not None and not self._central.is_gone:
                return self._radio
            await self._detach()
            # an extra, and half a second of imports
            from gatewayd.virtual.backend import attach  # noqa: PLC0415

            async with AsyncExitStack() as stack:
                central = await stack.enter_async_context(attach(self._transport))
                radio = BleakRadio(
                    scanner_backend=central.scanner_backend, client_backend=central.client_backend
                )
                stack.push_async_callback(radio.close)
                self._stack = stack.pop_all()
            self._central, self._radio = central, radio
            return radio

    async def _detach(self) -> None:
        stack, self._stack = self._stack, None
        self._central = self._radio = None
        if stack is not None:
            await stack.aclose()


def _require_bumble() -> None:
    if find_spec("bumble") is None:
        raise MissingExtra(
            "bluetooth.transport needs Bumble, which is not installed",
            "Run: pip install 'gatewayd[demo]'",
        )
