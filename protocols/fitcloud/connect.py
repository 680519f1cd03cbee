"""From an open link to a watch that answers: probing, login or bind, and what follows.
Source: transport-and-data.md §4.3, §4.4, §5.2; vectors data-connect (auth-flow-*)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protocols.errors import (
    DeviceRefused,
    NotThisProtocol,
    RemoteProtocolError,
    SessionTimeout,
    Unacknowledged,
)
from protocols.fitcloud import commands as c
from protocols.fitcloud.features import Feature
from protocols.fitcloud.frame import Packet
from protocols.fitcloud.link import Heard
from protocols.fitcloud.messages.auth import (
    decode_bind_reply,
    decode_login_reply,
    encode_bind,
    encode_identity,
    encode_login,
)
from protocols.fitcloud.messages.clock import encode_ts4
from protocols.fitcloud.messages.configuration import Configuration, decode_configuration
from protocols.fitcloud.messages.firmware import ExtraFirmware, decode_extra_firmware
from protocols.fitcloud.messages.profile import clamp, encode_profile
from protocols.model.events import ConfirmationNeeded
from protocols.model.time import DeviceTime
from protocols.procedure import Procedure, ask, emit, enable, pause, tell
from protocols.session import Raise, SessionSettings

LOGIN_TIMEOUT_S: Final = 10.0
CONFIRMATION_TIMEOUT_S: Final = 60.0
"""A wearer needs to find the watch, read and tap; the watch itself gives up earlier and says so."""

ATTEMPTS: Final = 4
RETRY_PAUSE_S: Final = 3.0
HOST_ABILITIES: Final = bytes.fromhex("00000007")


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a watch told while it was being connected."""

    configuration: Configuration
    extra_firmware: ExtraFirmware | None


def connect(
    settings: SessionSettings, clock: Callable[[], DeviceTime], heard: Heard
) -> Procedure[Greeting]:
    """Log in (bind, when the owner allowed it), then greet the watch.

    `heard` is the transport's, and grows while the exchange goes on. Raises NotThisProtocol for
    strangers, DeviceRefused when the watch belongs to somebody else, and the last error after four
    attempts otherwise.
    """
    yield from enable(c.NOTIFY)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            yield from authenticate(settings, heard)
            return (yield from _greet(settings, clock))
        except (DeviceRefused, NotThisProtocol):
            raise
        except (SessionTimeout, RemoteProtocolError):
            if attempt == ATTEMPTS:
                raise
        yield from pause(RETRY_PAUSE_S)
    raise AssertionError("unreachable")


def authenticate(settings: SessionSettings, heard: Heard | None = None) -> Procedure[None]:
    """Login first, always; bind only after "not bound" and only with the owner's word."""
    try:
        yield from log_in(settings, heard)
    except DeviceRefused as refusal:
        if refusal.reason != "not_bound" or not settings.may_bind:
            raise
    else:
        return
    yield from emit(Raise(ConfirmationNeeded(CONFIRMATION_TIMEOUT_S)))
    yield from bind(settings)


def log_in(settings: SessionSettings, heard: Heard | None = None) -> Procedure[None]:
    """One login, which is also the probe that tells this family from its cousins.

    Raises DeviceRefused, and NotThisProtocol when nothing has ever been acknowledged, or another
    language or the first generation answers. A watch that acknowledged before and falls silent is
    out of reach, not a stranger.
    """
    request = c.packet(c.LOGIN, encode_login(settings.user_id))
    try:
        reply = yield from ask(request, _login_reply, what="login", timeout_s=LOGIN_TIMEOUT_S)
    except Unacknowledged as silence:
        if heard is not None and heard.acknowledged:
            raise
        raise NotThisProtocol("the device does not acknowledge FitCloud frames") from silence
    except SessionTimeout as silence:
        if heard is not None and heard.foreign:
            raise NotThisProtocol("the device answers in frames of another family") from silence
        yield from _probe_first_generation(settings)
        raise
    decode_login_reply(reply.value)


def bind(settings: SessionSettings) -> Procedure[None]:
    """Bind; the wearer confirms on the watch. Raises DeviceRefused, SessionTimeout."""
    reply = yield from ask(
        c.packet(c.BIND, encode_bind(settings.user_id, settings.pairing_code)),
        lambda p: p if p[:2] == c.BIND_REPLY else None,
        what="confirmation on the watch",
        timeout_s=CONFIRMATION_TIMEOUT_S,
    )
    decode_bind_reply(reply.value)


def _login_reply(message: Packet) -> Packet | None:
    if message.command not in c.COMMANDS:
        raise NotThisProtocol(f"the device speaks of {message}, which is no FitCloud key")
    return message if message[:2] == c.LOGIN_REPLY else None


def _probe_first_generation(settings: SessionSettings) -> Procedure[None]:
    """The old login has the id end at byte 28 and three zero bytes for the phone behind it."""
    identity = encode_identity(settings.user_id).rstrip(b"\0")[:28].rjust(29, b"\0") + bytes(3)
    try:
        yield from ask(
            c.packet(c.OLD_LOGIN, identity),
            lambda p: p if p[:2] == c.OLD_LOGIN_REPLY else None,
            what="first-generation login",
            timeout_s=LOGIN_TIMEOUT_S,
        )
    except SessionTimeout:
        return
    raise NotThisProtocol("a first-generation FitCloud band; this version cannot read it")


def _greet(settings: SessionSettings, clock: Callable[[], DeviceTime]) -> Procedure[Greeting]:
    yield from tell(c.packet(c.HOST_ABILITIES, HOST_ABILITIES))
    if settings.wearer is not None:
        yield from tell(c.packet(c.SET_PROFILE, encode_profile(clamp(settings.wearer))))
    configuration = yield from read_configuration()
    extra_firmware = None
    if Feature.EXTRA_FIRMWARE_INFO in configuration.device_info.features:
        reply = yield from ask(
            c.packet(c.EXTRA_FIRMWARE),
            lambda p: p if p[:2] == c.EXTRA_FIRMWARE_REPLY else None,
            what="extra firmware versions",
        )
        extra_firmware = decode_extra_firmware(reply.value)
    else:
        yield from tell(c.packet(c.EXTRA_FIRMWARE))
    yield from tell(c.packet(c.SET_TIME, encode_ts4(clock())))
    return Greeting(configuration, extra_firmware)


def read_configuration() -> Procedure[Configuration]:
    """Ask for the configuration block. Raises MessageError without a sound device-info entry."""
    reply = yield from ask(
        c.packet(c.CONFIGURATION),
        lambda p: p if p[:2] == c.CONFIGURATION_REPLY else None,
        what="configuration",
    )
    return decode_configuration(reply.value)
