"""What bleak raises, as errors with a remedy."""

import asyncio

import pytest
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)
from bleak_retry_connector import (
    BleakConnectionError,
    BleakNotFoundError,
    BleakOutOfConnectionSlotsError,
)

from gatewayd.ble.failures import FAILURES, Doing, explain, short
from gatewayd.errors import (
    AdapterMissing,
    AdapterOff,
    DeviceNotFound,
    GatewayError,
    LinkLost,
    PermissionRefused,
)

Reason = BleakBluetoothNotAvailableReason
APPARMOR = "An AppArmor policy prevents this sender from sending this message"


def not_available(reason: Reason) -> BleakError:
    return BleakBluetoothNotAvailableError("no", reason)


def dbus(name: str, *details: str) -> BleakError:
    return BleakDBusError(name, list(details))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (not_available(Reason.NO_BLUETOOTH), AdapterMissing),
        (not_available(Reason.NO_BLE_CENTRAL_ROLE), AdapterMissing),
        (not_available(Reason.UNKNOWN), AdapterMissing),
        (not_available(Reason.POWERED_OFF), AdapterOff),
        (not_available(Reason.DENIED_BY_SYSTEM), PermissionRefused),
        (not_available(Reason.DENIED_BY_USER), PermissionRefused),
        (FileNotFoundError(2, "no such file"), AdapterMissing),
        (ConnectionRefusedError(111, "refused"), AdapterMissing),
        (PermissionError(13, "denied"), PermissionRefused),
        (EOFError(), AdapterMissing),
        (BrokenPipeError(), AdapterMissing),
        (dbus("org.freedesktop.DBus.Error.ServiceUnknown"), AdapterMissing),
        (dbus("org.freedesktop.DBus.Error.NameHasNoOwner"), AdapterMissing),
        (dbus("org.freedesktop.DBus.Error.Spawn.ChildExited"), AdapterMissing),
        (dbus("org.freedesktop.systemd1.NoSuchUnit"), AdapterMissing),
        (dbus("org.freedesktop.DBus.Error.AccessDenied", APPARMOR), PermissionRefused),
        (dbus("org.bluez.Error.NotReady", "Resource Not Ready"), AdapterOff),
        (dbus("org.bluez.Error.InProgress", "Operation already in progress"), LinkLost),
        (BleakError("adapter 'hci7' not found"), AdapterMissing),
    ],
)
def test_a_failed_scan_is_told_by_class_and_name(
    error: BaseException, expected: type[GatewayError]
) -> None:
    assert type(explain(error, Doing.SCANNING)) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (BleakNotFoundError("gone"), DeviceNotFound),
        (BleakDeviceNotFoundError("AA:BB:CC:DD:EE:FF", "gone"), DeviceNotFound),
        (BleakOutOfConnectionSlotsError("full"), LinkLost),
        (BleakConnectionError("failed"), LinkLost),
        (dbus("org.bluez.Error.Failed", "br-connection-canceled"), LinkLost),
        (dbus("org.bluez.Error.NotReady"), AdapterOff),
        (dbus("org.freedesktop.DBus.Error.AccessDenied", APPARMOR), PermissionRefused),
        (AttributeError("NoneType"), LinkLost),
        (KeyError("org.bluez.GattService1"), LinkLost),
    ],
)
def test_a_failed_connection_is_told_by_class_and_name(
    error: BaseException, expected: type[GatewayError]
) -> None:
    assert type(explain(error, Doing.CONNECTING)) is expected


@pytest.mark.parametrize(
    "error",
    [
        BleakError("Service Discovery has not been performed yet"),
        BleakError("Not connected"),
        dbus("org.bluez.Error.Failed", "Not connected"),
        dbus("org.freedesktop.DBus.Error.ServiceUnknown"),
        dbus("org.freedesktop.DBus.Error.UnknownObject"),
        BleakGATTProtocolError(0x0E),
        BrokenPipeError(),
        EOFError(),
        AssertionError(),
    ],
)
def test_whatever_happens_to_a_call_is_a_lost_link(error: BaseException) -> None:
    assert isinstance(error, FAILURES)
    assert type(explain(error, Doing.TALKING)) is LinkLost


@pytest.mark.parametrize(
    "error",
    [
        BleakGATTProtocolError(0x05),
        BleakGATTProtocolError(0x08),
        BleakGATTProtocolError(0x0F),
        dbus("org.bluez.Error.NotPermitted", "Not paired"),
        dbus("org.bluez.Error.AuthenticationFailed"),
    ],
)
def test_a_missing_bond_names_the_command_that_makes_one(error: BaseException) -> None:
    assert "bluetoothctl pair" in explain(error, Doing.TALKING).remedy


def test_the_cause_counts_that_a_retrying_library_has_wrapped() -> None:
    wrapped = BleakConnectionError("Failed to connect after 4 attempt(s)")
    wrapped.__cause__ = dbus("org.bluez.Error.NotReady")
    error = explain(wrapped, Doing.CONNECTING, adapter="hci1")
    assert type(error) is AdapterOff
    assert "hci1" in error.summary


@pytest.mark.parametrize("doing", Doing)
def test_a_message_is_one_line_with_a_remedy_and_nobodys_address(doing: Doing) -> None:
    for text in (
        "C0:FF:EE:00:00:01 - Watch:\n failed to connect",
        "/org/bluez/hci0/dev_C0_FF_EE_00_00_01/service0010 vanished " + "x" * 500,
    ):
        error = explain(dbus("org.bluez.Error.Failed", text), doing)
        assert error.remedy
        assert "\n" not in str(error)
        assert "C0:FF" not in str(error)
        assert "C0_FF" not in str(error)
        assert len(str(error)) < 300


def test_cancellation_is_not_taken_for_a_failure() -> None:
    assert not isinstance(asyncio.CancelledError(), FAILURES)


def test_an_address_is_shortened_to_what_tells_two_watches_apart() -> None:
    assert short("C0:FF:EE:00:12:34") == "…12:34"
