"""The ether: virtual controllers that hear each other, in one process.

A peripheral and a central may share the process (`device`, `central`), or the central's host may be
another one that attaches to its controller by HCI over TCP (`serve_controller`): then the gateway
can be killed while the watch lives on and notices.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from bumble import hci, ll
from bumble.controller import Controller
from bumble.core import InvalidPacketError, PhysicalTransport
from bumble.device import Device
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink, PacketParser

from gatewayd.virtual.backend import CENTRAL_ADDRESS, Central, hosted
from gatewayd.virtual.stack import new_device

_log = logging.getLogger(__name__)

ACL_BYTES: Final = 251
"""Payload of one data packet (Core, Vol 6 Part B, 4.5.10: data length extension)."""

SEND_BUFFER_BYTES: Final = 65_536
"""On the way to a host in another process; one that has stopped reading is noticed that soon."""


class Air:
    """A room in which every controller is in range of every other."""

    def __init__(self) -> None:
        self._link = _Link()  # type: ignore[no-untyped-call]
        self.flowing = asyncio.Event()
        """Cleared while a central's host does not read fast enough; senders wait for it."""
        self.flowing.set()

    @asynccontextmanager
    async def device(self, name: str, address: str) -> AsyncIterator[Device]:
        """A powered Bumble device with a controller of its own; `address` is random static."""
        controller = self._controller(name)
        device = new_device(name, address, controller, AsyncPipeSink(controller))
        try:
            await device.power_on()
            yield device
        finally:
            self._remove(controller)
            await device.power_off()

    def central(self, *, address: str = CENTRAL_ADDRESS) -> AbstractAsyncContextManager[Central]:
        """A central in this process."""
        return self._central(address)

    @asynccontextmanager
    async def serve_controller(self, port: int = 0) -> AsyncIterator[int]:
        """Offer a central's controller as HCI (H4) over TCP on the loopback interface.

        Yields the port; attach with `tcp-client:127.0.0.1:PORT`. One host at a time: a newcomer
        takes the controller over. When its host is gone the controller is reset, and the peers
        see their connections end by supervision time-out, as with a dead USB adapter.
        """
        controller = self._controller("served")
        hosts: set[_Host] = set()

        def accept() -> _Host:
            for host in tuple(hosts):
                host.leave()
            hosts.clear()
            host = _Host(controller, self.flowing)
            hosts.add(host)
            return host

        server = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", port)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for host in hosts:
                host.leave()
            await server.wait_closed()
            self._remove(controller)

    @asynccontextmanager
    async def _central(self, address: str) -> AsyncIterator[Central]:
        controller = self._controller("central")
        try:
            async with hosted(controller, AsyncPipeSink(controller), address=address) as central:
                yield central
        finally:
            self._remove(controller)

    def _controller(self, name: str) -> "_Controller":
        return _Controller(name, link=self._link)

    def _remove(self, controller: "_Controller") -> None:
        controller.reset()
        controller.set_packet_sink(None)
        self._link.remove_controller(controller)


# --- inside -----------------------------------------------------------------------------------


class _Link(LocalLink):
    """Bumble's link, with the sender's address of the connection and not of its controller.

    The two differ when a controller that has a random address connects with its public one.
    """

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        connection = sender_controller.le_connections.get(destination_address)
        receiver = self.find_le_controller(destination_address)
        if connection is not None and receiver is not None:
            asyncio.get_running_loop().call_soon(
                receiver.on_link_acl_data, connection.self_address, transport, data
            )

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        receiver = self.find_le_controller(receiver_address)
        if receiver is not None:  # else it has left the room
            asyncio.get_running_loop().call_soon(receiver.on_ll_control_pdu, sender_address, packet)


class _Controller(Controller):
    """Bumble's controller, with what a host relies on after an accident."""

    le_acl_data_packet_length = ACL_BYTES

    def reset(self) -> None:
        """Stop everything; peers see their connections time out."""
        for connection in self.le_connections.values():
            connection.send_ll_control_pdu(
                ll.TerminateInd(hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)
            )
        self.le_connections.clear()
        self.pending_le_connection = None
        self.le_scan_enable = False
        self.le_legacy_advertiser.stop()
        for advertising_set in self.advertising_sets.values():
            advertising_set.stop()
        self.advertising_sets.clear()

    def on_hci_reset_command(
        self, _command: hci.HCI_Reset_Command
    ) -> hci.HCI_StatusReturnParameters:
        self.reset()
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        self.send_hci_packet(
            hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=pending.peer_address.address_type,
                peer_address=pending.peer_address,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            )
        )
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)


class _Host(asyncio.Protocol):
    """A TCP connection whose other end is the controller's host."""

    def __init__(self, controller: _Controller, flowing: asyncio.Event) -> None:
        self._controller = controller
        self._flowing = flowing
        self._parser = PacketParser(controller)
        self._transport: asyncio.Transport | None = None
        self._has_left = False

    def on_packet(self, packet: bytes) -> None:
        """A packet from the controller."""
        if self._transport is not None and not self._has_left:
            self._transport.write(packet)

    def leave(self) -> None:
        """Reset the controller and hang up. Again is harmless."""
        if self._has_left:
            return
        self._has_left = True
        self._flowing.set()
        self._controller.reset()
        self._controller.set_packet_sink(None)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The host is there."""
        if isinstance(transport, asyncio.Transport):
            connection: socket.socket = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            self._transport = transport
            self._controller.set_packet_sink(self)

    def data_received(self, data: bytes) -> None:
        """HCI packets from the host, in any division."""
        if self._has_left:
            return
        try:
            self._parser.feed_data(data)
        except InvalidPacketError:
            _log.warning("what is attached to the virtual controller does not speak HCI")
            self.leave()

    def connection_lost(self, exc: Exception | None) -> None:
        """The host is gone."""
        self.leave()

    def pause_writing(self) -> None:
        """The host does not read fast enough."""
        self._flowing.clear()

    def resume_writing(self) -> None:
        """The host has caught up."""
        self._flowing.set()
