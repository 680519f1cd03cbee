"""What bleak, BlueZ and D-Bus raise, as errors that their owner can act on.

Told apart by exception class and D-Bus error name, never by message: BlueZ words the same failure
differently from release to release.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
    BleakGATTProtocolErrorCode,
)
from bleak_retry_connector import BleakNotFoundError, BleakOutOfConnectionSlotsError

from gatewayd.errors import (
    AdapterMissing,
    AdapterOff,
    DeviceNotFound,
    GatewayError,
    LinkLost,
    PermissionRefused,
)

FAILURES: Final = (BleakError, OSError, EOFError, AttributeError, KeyError, AssertionError)
"""All that bleak is known to raise when radio, bus or device fail under it.

TimeoutError is an OSError; EOFError and BrokenPipeError come from a dying bus. The last three are
what bleak's BlueZ backend trips over when a device's objects vanish in the middle of a call.
"""


class Doing(Enum):
    """What failed: the same exception means another thing to a scan than to a link."""

    SCANNING = auto()
    CONNECTING = auto()
    TALKING = auto()


def explain(error: BaseException, doing: Doing, *, adapter: str | None = None) -> GatewayError:
    """The error to raise `from` this one. The first cause in its chain that is understood wins."""
    for cause in _chain(error):
        known = _adapter_failure(cause, adapter) or _device_failure(cause)
        if known is not None:
            # to those who hold a link it is one more way of losing it
            return LinkLost(known.summary, known.remedy) if doing is Doing.TALKING else known
    if doing is Doing.SCANNING:
        if isinstance(error, OSError | EOFError):
            return _no_bus()
        if type(error) is BleakError:
            return AdapterMissing(
                f"{_adapter(adapter)} does not exist", "List adapters with: bluetoothctl list"
            )
        return LinkLost(
            f"{_adapter(adapter)} cannot scan ({_word(error)})",
            "Another program may be using it; if this lasts, run: systemctl restart bluetooth",
        )
    if doing is Doing.CONNECTING:
        return LinkLost(
            f"The watch cannot be connected ({_word(error)})",
            "Bring it closer, and make sure that no phone is connected to it",
        )
    return LinkLost(f"The connection broke ({_word(error)})", "Bring the watch closer")


def short(address: str) -> str:
    """A Bluetooth address fit for a message: its last two octets."""
    return f"…{address[-5:]}"


# --- inside -----------------------------------------------------------------------------------

_NO_DAEMON: Final = {
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.NoReply",
    "org.freedesktop.DBus.Error.TimedOut",
    "org.freedesktop.systemd1.NoSuchUnit",
}
_SPAWN: Final = "org.freedesktop.DBus.Error.Spawn."
_OFF: Final = {"org.bluez.Error.NotReady", "org.bluez.Error.Blocked", "org.bluez.Error.NotPowered"}
_REFUSED: Final = {
    "org.freedesktop.DBus.Error.AccessDenied",
    "org.freedesktop.DBus.Error.AuthFailed",
    "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
}
_NOT_PAIRED: Final = {
    "org.bluez.Error.NotPaired",
    "org.bluez.Error.NotPermitted",
    "org.bluez.Error.AuthenticationFailed",
    "org.bluez.Error.AuthenticationRejected",
    "org.bluez.Error.AuthenticationCanceled",
    "org.bluez.Error.AuthenticationTimeout",
}
_NOT_PAIRED_CODES: Final = {
    BleakGATTProtocolErrorCode.INSUFFICIENT_AUTHENTICATION,
    BleakGATTProtocolErrorCode.INSUFFICIENT_AUTHORIZATION,
    BleakGATTProtocolErrorCode.INSUFFICIENT_ENCRYPTION,
    BleakGATTProtocolErrorCode.INSUFFICIENT_ENCRYPTION_KEY_SIZE,
}
_ADDRESS: Final = re.compile(r"(?:[0-9A-Fa-f]{2}[:_-]){4}(?=[0-9A-Fa-f]{2}[:_-][0-9A-Fa-f]{2})")
_LONGEST_WORD: Final = 120


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def _adapter_failure(error: BaseException, adapter: str | None) -> GatewayError | None:
    match error:
        case BleakBluetoothNotAvailableError(reason=reason):
            return _not_available(reason, adapter)
        case BleakDBusError(dbus_error=name):
            if name in _NO_DAEMON or name.startswith(_SPAWN):
                return AdapterMissing("BlueZ is not running", "Run: systemctl start bluetooth")
            if name in _OFF:
                return _off(adapter)
            return _refused() if name in _REFUSED else None
        case PermissionError():
            return _refused()
        case FileNotFoundError() | ConnectionRefusedError():
            return _no_bus()
        case _:
            return None


def _device_failure(error: BaseException) -> GatewayError | None:
    match error:
        case BleakNotFoundError() | BleakDeviceNotFoundError():
            return DeviceNotFound(
                "The watch does not answer",
                "It is out of range, or a phone holds its connection: switch Bluetooth off there",
            )
        case BleakOutOfConnectionSlotsError():
            return LinkLost(
                "The adapter holds as many connections as it can",
                "Connect fewer watches at a time, or add an adapter",
            )
        case BleakGATTProtocolError(code=code) if code in _NOT_PAIRED_CODES:
            return _not_paired()
        case BleakGATTProtocolError(code=code):
            return LinkLost(
                f"The watch refused a request ({code.name})",
                "Restart it; another app may have changed its mode",
            )
        case BleakDBusError(dbus_error=name) if name in _NOT_PAIRED:
            return _not_paired()
        case _:
            return None


def _not_available(reason: BleakBluetoothNotAvailableReason, adapter: str | None) -> GatewayError:
    match reason:
        case BleakBluetoothNotAvailableReason.POWERED_OFF:
            return _off(adapter)
        case (
            BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM
            | BleakBluetoothNotAvailableReason.DENIED_BY_USER
            | BleakBluetoothNotAvailableReason.DENIED_BY_UNKNOWN
        ):
            return _refused()
        case BleakBluetoothNotAvailableReason.NO_BLE_CENTRAL_ROLE:
            return AdapterMissing(
                "No Bluetooth adapter speaks Low Energy", "Use an adapter of Bluetooth 4.0 or later"
            )
        case _:
            return AdapterMissing(
                "No Bluetooth adapter was found", "Plug one in, or check: bluetoothctl list"
            )


def _off(adapter: str | None) -> AdapterOff:
    return AdapterOff(
        f"{_adapter(adapter)} is switched off",
        "Run: rfkill unblock bluetooth; bluetoothctl power on",
    )


def _refused() -> PermissionRefused:
    return PermissionRefused(
        "The system does not let the gateway talk to BlueZ",
        "Allow its user org.bluez on the system bus; in a container, check the AppArmor profile",
    )


def _no_bus() -> AdapterMissing:
    return AdapterMissing(
        "The system bus cannot be reached",
        "Start D-Bus; in a container, mount /run/dbus/system_bus_socket",
    )


def _not_paired() -> LinkLost:
    return LinkLost("The watch wants to be paired first", "Pair it with: bluetoothctl pair")


def _adapter(name: str | None) -> str:
    return f"Bluetooth adapter {name}" if name else "The Bluetooth adapter"


def _word(error: BaseException) -> str:
    """One line on an error that we do not know, without anybody's address."""
    root = list(_chain(error))[-1]
    text = " ".join(_ADDRESS.sub("…", str(root)).split())[:_LONGEST_WORD]
    return text or type(root).__name__
