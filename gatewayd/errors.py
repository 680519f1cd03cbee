"""Every way in which the gateway can fail, and what its owner can do about it.

An error says in one line what is wrong and what to do (`summary`, `remedy`). Its class says how a
command ends (`exit_code`, from sysexits) and whether the daemon keeps trying (`retry`).
"""

from collections.abc import Sequence
from typing import ClassVar


class GatewayError(Exception):
    """Root of the tree; use a subclass."""

    exit_code: ClassVar[int] = 70
    retry: ClassVar[bool] = False

    def __init__(self, summary: str, remedy: str = "") -> None:
        super().__init__(f"{summary}. {remedy}".rstrip() if remedy else summary)
        self.summary = summary
        self.remedy = remedy


class ConfigError(GatewayError):
    """The configuration cannot be used. `problems` holds every finding, not only the first."""

    exit_code = 78

    def __init__(self, problems: Sequence[str], remedy: str = "") -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems), remedy)


class PermissionRefused(GatewayError):
    """The system refuses us something."""

    exit_code = 77


class AdapterMissing(GatewayError):
    """No Bluetooth adapter, no BlueZ, or no D-Bus to reach it by."""

    exit_code = 69
    retry = True


class AdapterOff(GatewayError):
    """The adapter is there, but switched off or blocked."""

    exit_code = 69
    retry = True


class DeviceNotFound(GatewayError):
    """The device was not seen on air in time."""

    exit_code = 69
    retry = True


class LinkLost(GatewayError):
    """The connection could not be made, or broke."""

    exit_code = 69
    retry = True


class BondRefused(GatewayError):
    """The watch refused us, or belongs to another app."""

    exit_code = 77
    retry = True


class ClockNotSet(GatewayError):
    """The system clock is plainly wrong, as after a start without a network."""

    exit_code = 69
    retry = True


class ProtocolMismatch(GatewayError):
    """The device speaks another language than the configured protocol. Trying again is useless."""

    exit_code = 65


class BrokerUnreachable(GatewayError):
    """The MQTT broker cannot be reached."""

    exit_code = 69
    retry = True


class BrokerRefused(GatewayError):
    """The MQTT broker refuses the login, or refuses to let us publish."""

    exit_code = 77
    retry = True


class StoreError(GatewayError):
    """The store cannot be used."""

    exit_code = 74


class StoreDamaged(StoreError):
    """The database file is damaged."""


class StoreNewer(StoreError):
    """The database was written by a newer version."""


class StoreFull(StoreError):
    """The disk is full."""

    retry = True


class StoreLocked(StoreError):
    """Another gateway is using this store."""


class NotStored(GatewayError):
    """The store has nothing of what was asked for by name."""

    exit_code = 65


class OutputFailed(GatewayError):
    """A file cannot be written."""

    exit_code = 74


class PluginError(GatewayError):
    """A protocol could not be loaded."""

    exit_code = 70


class MissingExtra(GatewayError):
    """An optional part is not installed."""

    exit_code = 69
