"""Both sides of one connection as servers, and the protocols that read along with each."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from gatewayd.trace import att
from gatewayd.trace.connection import Connection, Role
from gatewayd.trace.gatt import Database, Server
from protocols.observer import Observer
from protocols.spec import ProtocolSpec

MAX_PEERS: Final = 256
"""Devices whose attributes are remembered for their next connection; the latest are kept."""

_NO_TABLE: Final = Database()


@dataclass(slots=True)
class Side:
    """One side. `address` is that of the device which it may be, None when it is not known."""

    server: Server
    address: str | None
    may_be_device: bool
    table: Database
    observers: dict[str, Observer] = field(default_factory=dict)
    looked_at: int = -1
    """How many services were known when protocols were last looked for."""

    def uuid(self, handle: int) -> str | None:
        """The type of an attribute, from the trace or from the owner's table."""
        return self.server.database.uuids.get(handle) or self.table.uuids.get(handle)

    def offers(self, services: frozenset[str]) -> bool:
        """Whether the device has all of them."""
        found = (*self.server.database.services.values(), *self.table.services.values())
        return bool(services) and services <= {uuid for _, uuid in found}


@dataclass(slots=True)
class Talk:
    """One connection. `peer` is the other side, `own` is ours."""

    connection: Connection
    peer: Side
    own: Side
    shown: bool = False

    def server_of(self, opcode: int, *, from_peer: bool) -> Side:
        """The side whose attributes a PDU is about."""
        return self.own if (opcode in att.FROM_CLIENT) == from_peer else self.peer

    @property
    def protocols(self) -> tuple[str, ...]:
        """Those that read along."""
        return (*self.peer.observers, *self.own.observers)


class Memory:
    """What has been learnt of devices, by address, over all connections of a trace."""

    def __init__(self, table: Database) -> None:
        self._table = table
        self._known: OrderedDict[str, Database] = OrderedDict()

    def talk(self, connection: Connection) -> Talk:
        """A new connection, with what is known of its sides."""
        peer = self._side(connection.address, connection.role is not Role.PERIPHERAL)
        own = self._side(None, connection.role is not Role.CENTRAL)
        if connection.role is Role.PERIPHERAL:
            own.server.database = self._recall(f"adapter {connection.adapter}")
        return Talk(connection, peer, own)

    def devices(self) -> tuple[tuple[str, Database], ...]:
        """Every device with attributes, by the address that it had."""
        return tuple(
            (name, known) for name, known in self._known.items() if known.uuids or known.services
        )

    def _side(self, address: str | None, may_be_device: bool) -> Side:  # noqa: FBT001
        database = Database() if address is None else self._recall(address)
        table = self._table if may_be_device else _NO_TABLE
        return Side(Server(database), address, may_be_device, table)

    def _recall(self, name: str) -> Database:
        database = self._known.pop(name, None) or Database()
        self._known[name] = database
        if len(self._known) > MAX_PEERS:
            self._known.popitem(last=False)
        return database


def fits(side: Side, spec: ProtocolSpec, *, forced: bool) -> bool:
    """Whether a protocol should read along with a side."""
    return side.may_be_device and (forced or side.offers(spec.services))
