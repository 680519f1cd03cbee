"""`gatewayd record ADDRESS OUT`: what a watch and the gateway tell each other, as a file."""

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gatewayd.cli.recording import Plan
    from gatewayd.config_models import BluetoothConfig, Config, DeviceConfig

_ADDRESS: Final = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}")
MAX_DURATION_S: Final = 30 * 86_400.0

DESCRIPTION: Final = """\
Record what a watch and the gateway tell each other, from the connection to its end.

The watch is logged in to and asked what it is; as at every login, its clock is set. Stored data
are not fetched, and nothing is confirmed: the watch forgets nothing through a recording. To record
a synchronisation, let the gateway do it, which stores the data first: gatewayd run --record.

A recording holds personal data, and can be read by its owner only."""


def configure(parser: ArgumentParser) -> None:
    """Arguments."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.description = DESCRIPTION
    parser.add_argument(
        "device", metavar="ADDRESS", help="Bluetooth address, or the name of a configured watch"
    )
    parser.add_argument(
        "out", metavar="OUT", type=Path, help="a file that does not exist yet; - is standard output"
    )
    parser.add_argument(
        "--format",
        choices=("gatt", "btsnoop", "pcapng"),
        default="gatt",
        help="gatt: values by UUID, a JSON object a line; btsnoop, pcapng: for Wireshark, with"
        " handles that are made up (default: %(default)s)",
    )
    parser.add_argument(
        "--duration", type=_seconds, metavar="S", help="end after so many seconds of connection"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--protocol", metavar="NAME", help="speak this one, instead of recognising it")
    how.add_argument(
        "--listen",
        action="store_true",
        help="speak none: enable every notification, and write nothing else",
    )
    parser.add_argument(
        "--may-bind",
        action="store_true",
        help="bind the watch to this gateway if it is not bound; a watch that was bound to"
        " somebody else may erase what it holds",
    )
    radio = parser.add_mutually_exclusive_group()
    radio.add_argument("--adapter", metavar="NAME", help="BlueZ's name of it, such as hci0")
    radio.add_argument(
        "--transport", metavar="HCI", help="a Bumble transport such as usb:0, instead of BlueZ"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="the configuration, if any")
    parser.set_defaults(execute=execute)


def execute(options: Namespace) -> int:
    """Record until Ctrl-C. Raises ConfigError, StoreLocked and what `recording.record` raises."""
    import asyncio

    from gatewayd import identity, logs
    from gatewayd.config_models import LogConfig

    config = _config(options.config)
    device = _configured(options.device, config)
    user_id = config.user_id or identity.user_id(config.store.path.parent)
    logs.configure(LogConfig(level="error"), user_id=user_id)
    plan = _plan(options, config, device, user_id)
    shared = device is not None and config.store.path.exists()
    asyncio.run(_run(plan, config.store.path if shared else None))
    return 0


async def _run(plan: "Plan", store: Path | None) -> None:
    from contextlib import AsyncExitStack

    from gatewayd.cli.recording import no_gateway, record
    from gatewayd.lifecycle import shutdown_on_signals
    from gatewayd.trace.write import NOTICE

    async with AsyncExitStack() as stack:
        if store is not None:
            await stack.enter_async_context(no_gateway(store))
        shutdown = stack.enter_context(shutdown_on_signals())
        _say(f"{NOTICE}.")
        await record(plan, shutdown, _say)


def _say(line: str) -> None:
    # standard output may be the recording
    print(line, file=sys.stderr, flush=True)


def _config(explicit: Path | None) -> "Config":
    from gatewayd.config import load, locate, parse
    from gatewayd.errors import ConfigError

    try:
        source = locate(explicit)
    except ConfigError:
        return parse("", Path("defaults"))  # a recording needs none
    return load(source)


def _configured(name: str, config: "Config") -> "DeviceConfig | None":
    for device in config.devices:
        if name in (device.name, device.address) or name.upper() == device.address:
            return device
    return None


def _plan(
    options: Namespace, config: "Config", device: "DeviceConfig | None", user_id: str
) -> "Plan":
    from zoneinfo import ZoneInfo

    from gatewayd.cli.recording import Plan
    from gatewayd.core.timeline import Timeline
    from gatewayd.errors import ConfigError
    from gatewayd.trace.write import Format
    from protocols.session import SessionSettings

    if device is None and not _ADDRESS.fullmatch(options.device):
        raise ConfigError(
            [f"{options.device} is neither a Bluetooth address nor the name of a configured watch"],
            "Give an address such as C0:FF:EE:00:00:01",
        )
    zone = device.timezone if device is not None else None
    return Plan(
        address=device.address if device is not None else options.device.upper(),
        out=options.out,
        kind=Format(options.format),
        bluetooth=_bluetooth(options, config),
        # a profile of the wearer would change what the watch counts from now on: none is sent
        settings=SessionSettings(
            user_id,
            may_bind=options.may_bind,
            pairing_code=device.pairing_code if device is not None else None,
        ),
        timeline=Timeline.of_system() if zone is None else Timeline(ZoneInfo(zone)),
        protocol=options.protocol or (device.protocol if device is not None else None),
        listen=options.listen,
        duration_s=options.duration,
    )


def _bluetooth(options: Namespace, config: "Config") -> "BluetoothConfig":
    from gatewayd.config_models import BluetoothConfig

    if options.adapter is None and options.transport is None:
        return config.bluetooth
    return BluetoothConfig(options.adapter, options.transport)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MAX_DURATION_S:
        raise ArgumentTypeError("must be a number of seconds, above 0 and at most 30 days")
    return seconds
