"""A Bumble host and what it takes to drive it safely."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bleak.backends.client import BaseBleakClient
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakError,
    BleakGATTProtocolError,
)
from bumble import core, hci
from bumble.att import ATT_Error
from bumble.device import Connection, Device
from bumble.host import Host
from bumble.transport.common import TransportSource


class Stack:
    """A powered Bumble device and the controller that it lives on."""

    def __init__(self, device: Device, source: TransportSource) -> None:
        self.device = device
        self.connecting = asyncio.Lock()  # a controller initiates one connection at a time
        self._source = source

    @property
    def is_gone(self) -> bool:
        """Whether the controller has left us."""
        return self._source.terminated.done()

    def check(self) -> None:
        """Raise BleakBluetoothNotAvailableError when the controller is gone."""
        if self.is_gone:
            raise BleakBluetoothNotAvailableError(
                "the controller is gone", BleakBluetoothNotAvailableReason.NO_BLUETOOTH
            )


def new_device(name: str, address: str, source: Any, sink: Any) -> Device:
    """A Bumble device on an HCI source and sink; `address` is random static."""
    return Device(name, hci.Address(address), host=_Host(source, sink))


async def hang_up(connection: Connection) -> None:
    """Disconnect; harmless when the connection ends by itself in the meantime."""
    try:
        await connection.disconnect()
    except core.BaseBumbleError:
        return  # it ended while we asked for it
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise


@contextmanager
def as_bleak(client: BaseBleakClient | None = None) -> Iterator[None]:
    """Turn what Bumble raises into what bleak documents."""
    try:
        yield
    except ATT_Error as error:
        raise BleakGATTProtocolError(error.error_code) from error
    except core.BaseBumbleError as error:
        raise BleakError(str(error) or type(error).__name__) from error
    except asyncio.CancelledError as error:
        # Bumble cancels what waits for an answer when the link goes; nobody cancelled the caller.
        task = asyncio.current_task()
        if client is not None and not client.is_connected and task and not task.cancelling():
            raise BleakError("disconnected") from error
        raise


# --- inside -----------------------------------------------------------------------------------


class _Host(Host):
    """Finishes an HCI command even when whoever sent it is cancelled.

    Bumble would take the late answer for that of the next command.
    """

    async def _send_command(
        self,
        command: hci.HCI_SyncCommand[Any] | hci.HCI_AsyncCommand,
        response_timeout: float | None = None,
    ) -> hci.HCI_Command_Complete_Event[Any] | hci.HCI_Command_Status_Event:
        exchange = asyncio.create_task(  # noqa: TID251 - awaited below, whatever happens
            super()._send_command(command, response_timeout)
        )
        try:
            return await asyncio.shield(exchange)
        except asyncio.CancelledError:
            await asyncio.wait([exchange])
            raise
