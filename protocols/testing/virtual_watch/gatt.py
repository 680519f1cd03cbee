"""What the virtual watch looks like over the air, as data. Source: spec sections 1.1 and 1.2.

A host builds its GATT server and its advertisement from these values and nothing else.
"""

from dataclasses import dataclass
from typing import Final

SERVICE_UUID: Final = "000001ff-3c17-d293-8e48-14fe2e4da212"
WRITE_UUID: Final = "0000ff02-0000-1000-8000-00805f9b34fb"
NOTIFY_UUID: Final = "0000ff03-0000-1000-8000-00805f9b34fb"

_COMPANY_ID: Final = 0x5A54
_MAX_NAME_BYTES: Final = 18
"""Flags (3), manufacturer data (13) and the name share 31 bytes; a longer name goes elsewhere."""


@dataclass(frozen=True, slots=True)
class Characteristic:
    """One characteristic; `properties` are the names of Bluetooth Core, lower case."""

    uuid: str
    properties: frozenset[str]


@dataclass(frozen=True, slots=True)
class Service:
    """One primary service."""

    uuid: str
    characteristics: tuple[Characteristic, ...]


SERVICES: Final = (
    Service(
        SERVICE_UUID,
        (
            Characteristic(WRITE_UUID, frozenset({"write", "write-without-response"})),
            Characteristic(NOTIFY_UUID, frozenset({"notify"})),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Advertisement:
    """What the watch says while nobody is connected to it.

    `address` is in display order (`C0:FF:EE:00:00:01`). Real watches advertise neither the 128-bit
    service nor anything else beside name and manufacturer data.
    """

    address: str = "C0:FF:EE:00:00:01"
    name: str = "P6_VIRTUAL"
    company_id: int = _COMPANY_ID
    project_number: int = 0x0136
    sub_project: int = 1

    @property
    def manufacturer_data(self) -> bytes:
        """The payload behind the company id: address, project number, sub-project number."""
        return (
            bytes.fromhex(self.address.replace(":", ""))
            + self.project_number.to_bytes(2, "big")
            + bytes((self.sub_project,))
        )

    def advertising_data(self) -> bytes:
        """Flags, manufacturer data and name as AD structures, for hosts that take raw bytes."""
        name = self.name.encode()[:_MAX_NAME_BYTES]
        company = self.company_id.to_bytes(2, "little")
        return b"".join(
            bytes((len(content) + 1, kind)) + content
            for kind, content in (
                (0x01, b"\x06"),
                (0xFF, company + self.manufacturer_data),
                (0x09, name),
            )
        )
