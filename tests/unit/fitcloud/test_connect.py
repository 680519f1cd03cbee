"""Login, bind, greeting, and who is no watch of this family. Source: §4.3, §4.4, §5.2."""

from collections.abc import Iterator

import pytest

from protocols.errors import (
    DeviceRefused,
    LinkClosed,
    MessageError,
    NotThisProtocol,
    ProtocolError,
    SessionTimeout,
    Unacknowledged,
)
from protocols.fitcloud import commands as c
from protocols.fitcloud.connect import (
    ATTEMPTS,
    CONFIRMATION_TIMEOUT_S,
    HOST_ABILITIES,
    LOGIN_TIMEOUT_S,
    RETRY_PAUSE_S,
    Greeting,
    connect,
    read_configuration,
)
from protocols.fitcloud.frame import Packet
from protocols.fitcloud.link import Heard
from protocols.fitcloud.messages.clock import encode_ts4
from protocols.model.events import ConfirmationNeeded
from protocols.procedure import Procedure
from protocols.session import Raise, SessionSettings, Wearer
from protocols.testing.playbook import Playbook
from protocols.testing.virtual_watch import MODERN, WatchProfile

USER = "me@example.org"
IDENTITY = USER.encode().ljust(32, b"\0")
LOGIN = c.packet(c.LOGIN, IDENTITY)
BIND = c.packet(c.BIND, IDENTITY)
SETTINGS = SessionSettings(USER)
MAY_BIND = SessionSettings(USER, may_bind=True)
CONFIRMATION = Raise(ConfirmationNeeded(CONFIRMATION_TIMEOUT_S))
OLD_LOGIN = c.packet(c.OLD_LOGIN, USER.encode().rjust(29, b"\0") + bytes(3))
CONNECTED = WatchProfile(MODERN.features | {552})


def configuration(profile: WatchProfile = MODERN) -> Packet:
    entries = profile.configuration().items()
    block = b"".join(bytes((kind, len(data))) + data for kind, data in entries)
    return c.packet(c.CONFIGURATION_REPLY, block)


@pytest.fixture
def play() -> Iterator[Playbook[Packet]]:
    with Playbook[Packet]() as playbook:
        yield playbook


def begin(
    play: Playbook[Packet],
    settings: SessionSettings = SETTINGS,
    *,
    acknowledged: bool = True,
    foreign: bool = False,
) -> Playbook[Packet]:
    heard = Heard(acknowledged=acknowledged, foreign=foreign)
    return play.start(connect(settings, play.clock, heard)).subscribed(c.NOTIFY)


def greeted(play: Playbook[Packet]) -> Playbook[Packet]:
    play.wrote(c.packet(c.HOST_ABILITIES, HOST_ABILITIES))
    play.wrote(c.packet(c.CONFIGURATION)).reply(configuration())
    play.wrote(c.packet(c.EXTRA_FIRMWARE))
    return play.wrote(c.packet(c.SET_TIME, encode_ts4(play.clock())))


def result(play: Playbook[Packet]) -> Greeting:
    kind, greeting = play._seen[0]
    assert kind == "returned"
    assert isinstance(greeting, Greeting)
    play.returned(greeting)
    return greeting


def reply(key: c.Key, value: str) -> Packet:
    return c.packet(key, bytes.fromhex(value))


# --- who may in -----------------------------------------------------------------------------------


def test_a_bound_watch_is_logged_in_and_greeted(play: Playbook[Packet]) -> None:
    begin(play).wrote(LOGIN).reply(reply(c.LOGIN_REPLY, "00"))
    greeting = result(greeted(play))
    assert greeting.configuration.device_info.features.numbers == MODERN.features
    assert greeting.extra_firmware is None


def test_only_the_first_byte_of_the_reply_counts(play: Playbook[Packet]) -> None:
    begin(play).wrote(LOGIN).reply(reply(c.LOGIN_REPLY, "00ff01"))
    result(greeted(play))


def test_login_comes_first_even_when_binding_is_allowed(play: Playbook[Packet]) -> None:
    begin(play, MAY_BIND).wrote(LOGIN).reply(reply(c.LOGIN_REPLY, "00"))
    result(greeted(play))


def test_without_the_owners_word_nothing_is_ever_bound(play: Playbook[Packet]) -> None:
    begin(play).wrote(LOGIN).reply(reply(c.LOGIN_REPLY, "01"))
    error = play.raised(DeviceRefused)
    assert isinstance(error, DeviceRefused)
    assert error.reason == "not_bound"
    play.passes(600)


def test_with_the_owners_word_an_unbound_watch_is_bound(play: Playbook[Packet]) -> None:
    begin(play, MAY_BIND).wrote(LOGIN).reply(reply(c.LOGIN_REPLY, "01")).emitted(CONFIRMATION)
    play.wrote(BIND).passes(CONFIRMATION_TIMEOUT_S - 1).reply(reply(c.BIND_REPLY, "00"))
    result(greeted(play))


def test_the_pairing_code_goes_along(play: Playbook[Packet]) -> None:
    settings = SessionSettings(USER, may_bind=True, pairing_code="1234")
    begin(play, settings).wrote(LOGIN).reply(reply(c.LOGIN_REPLY, "01")).emitted(CONFIRMATION)
    play.wrote(c.packet(c.BIND, IDENTITY + b"\x041234")).reply(reply(c.BIND_REPLY, "02"))
    play.raised(DeviceRefused)


@pytest.mark.parametrize("status", ["02", "05", "ff"])
def test_another_refusal_of_the_login_is_never_answered_with_a_bind(
    play: Playbook[Packet], status: str
) -> None:
    begin(play, MAY_BIND).wrote(LOGIN).reply(reply(c.LOGIN_REPLY, status))
    error = play.raised(DeviceRefused)
    assert isinstance(error, DeviceRefused)
    assert error.reason == "unknown"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("01", "unknown"),
        ("02", "refused_by_user"),
        ("03", "confirmation_timeout"),
        ("04", "unknown"),
        ("05", "reset_required"),
        ("ff", "unknown"),
    ],
)
def test_refusals_of_a_bind(play: Playbook[Packet], status: str, reason: str) -> None:
    begin(play, MAY_BIND).wrote(LOGIN).reply(reply(c.LOGIN_REPLY, "01")).emitted(CONFIRMATION)
    play.wrote(BIND).reply(reply(c.BIND_REPLY, status))
    error = play.raised(DeviceRefused)
    assert isinstance(error, DeviceRefused)
    assert error.reason == reason


# --- trying again ---------------------------------------------------------------------------------


def silent_login(play: Playbook[Packet]) -> None:
    """A login that is acknowledged and never answered, the old one neither."""
    play.wrote(LOGIN).passes(LOGIN_TIMEOUT_S).wrote(OLD_LOGIN).passes(LOGIN_TIMEOUT_S)


def test_the_whole_sequence_is_tried_four_times_three_seconds_apart(
    play: Playbook[Packet],
) -> None:
    begin(play)
    for _ in range(ATTEMPTS - 1):
        silent_login(play)
        play.wrote_nothing().passes(RETRY_PAUSE_S - 0.1).wrote_nothing().passes(0.1)
    silent_login(play)
    play.raised(SessionTimeout, "no login within 10 s")


def test_an_empty_reply_is_a_failed_attempt(play: Playbook[Packet]) -> None:
    begin(play).wrote(LOGIN).reply(reply(c.LOGIN_REPLY, "")).passes(RETRY_PAUSE_S)
    play.wrote(LOGIN).reply(reply(c.LOGIN_REPLY, "00"))
    result(greeted(play))


def test_a_failure_while_greeting_begins_again_with_the_login(play: Playbook[Packet]) -> None:
    begin(play).wrote(LOGIN).reply(reply(c.LOGIN_REPLY, "00"))
    play.wrote(c.packet(c.HOST_ABILITIES, HOST_ABILITIES))
    play.wrote(c.packet(c.CONFIGURATION)).passes(15).passes(RETRY_PAUSE_S)
    play.wrote(LOGIN).reply(reply(c.LOGIN_REPLY, "00"))
    result(greeted(play))


def test_a_configuration_without_device_information_is_a_failed_attempt(
    play: Playbook[Packet],
) -> None:
    begin(play)
    for attempt in range(ATTEMPTS):
        play.wrote(LOGIN).reply(reply(c.LOGIN_REPLY, "00"))
        play.wrote(c.packet(c.HOST_ABILITIES, HOST_ABILITIES))
        play.wrote(c.packet(c.CONFIGURATION)).reply(c.packet(c.CONFIGURATION_REPLY, b"\x14\0"))
        if attempt < ATTEMPTS - 1:
            play.passes(RETRY_PAUSE_S)
    play.raised(MessageError, "lacks the device information")


def test_nobody_confirming_is_tried_again_from_the_login(play: Playbook[Packet]) -> None:
    begin(play, MAY_BIND).wrote(LOGIN).reply(reply(c.LOGIN_REPLY, "01")).emitted(CONFIRMATION)
    play.wrote(BIND).passes(CONFIRMATION_TIMEOUT_S).passes(RETRY_PAUSE_S)
    play.wrote(LOGIN).reply(reply(c.LOGIN_REPLY, "00"))
    result(greeted(play))


def test_notifications_that_cannot_be_enabled_are_the_end(play: Playbook[Packet]) -> None:
    play.start(connect(SETTINGS, play.clock, Heard()))
    play.subscribed(c.NOTIFY, error=LinkClosed("no such characteristic"))
    play.raised(LinkClosed)


# --- strangers ------------------------------------------------------------------------------------


def test_who_acknowledges_nothing_is_a_stranger(play: Playbook[Packet]) -> None:
    begin(play, acknowledged=False).wrote(LOGIN, acknowledged=False).lose()
    play.raised(NotThisProtocol, "does not acknowledge")
    play.passes(600)


def test_who_acknowledged_before_is_only_out_of_reach(play: Playbook[Packet]) -> None:
    begin(play).wrote(LOGIN).reply(reply(c.LOGIN_REPLY, "00"))
    play.wrote(c.packet(c.HOST_ABILITIES, HOST_ABILITIES), acknowledged=False).lose()
    for _ in range(ATTEMPTS - 1):
        play.passes(RETRY_PAUSE_S).wrote(LOGIN, acknowledged=False).lose()
    play.raised(Unacknowledged)


@pytest.mark.parametrize("command", [0x00, 0x06, 0x09, 0x0A, 0xFF])
def test_a_command_of_another_catalogue_is_a_stranger(play: Playbook[Packet], command: int) -> None:
    begin(play).wrote(LOGIN).reply(Packet(command, 0x14, b"\0"))
    play.raised(NotThisProtocol, f"{command:02X}/14")


def test_who_answers_with_another_framing_is_a_stranger(play: Playbook[Packet]) -> None:
    begin(play, foreign=True).wrote(LOGIN).passes(LOGIN_TIMEOUT_S)
    play.raised(NotThisProtocol, "another family")


def test_the_first_generation_is_recognised(play: Playbook[Packet]) -> None:
    begin(play).wrote(LOGIN).passes(LOGIN_TIMEOUT_S)
    play.wrote(OLD_LOGIN).reply(reply(c.OLD_LOGIN_REPLY, "01"))
    play.raised(NotThisProtocol, "first-generation")


def test_other_keys_of_this_family_are_no_reason_to_leave(play: Playbook[Packet]) -> None:
    begin(play).wrote(LOGIN).reply(reply(c.BATTERY_REPLY, "016464"), reply(c.LOGIN_REPLY, "00"))
    result(greeted(play))
    assert play.unsolicited == [reply(c.BATTERY_REPLY, "016464")]


@pytest.mark.parametrize("error", [NotThisProtocol("x"), DeviceRefused("x", reason="unknown")])
def test_refusals_and_strangers_are_not_tried_again(
    play: Playbook[Packet], error: ProtocolError
) -> None:
    message = Packet(9, 9) if isinstance(error, NotThisProtocol) else reply(c.LOGIN_REPLY, "01")
    begin(play).wrote(LOGIN).reply(message).raised(type(error))
    play.passes(600).finish()


# --- greeting -------------------------------------------------------------------------------------


def test_the_profile_is_sent_only_when_the_owner_gave_one(play: Playbook[Packet]) -> None:
    settings = SessionSettings(
        USER, wearer=Wearer(male=True, age_years=33, height_cm=178, weight_kg=76)
    )
    begin(play, settings).wrote(LOGIN).reply(reply(c.LOGIN_REPLY, "00"))
    play.wrote(c.packet(c.HOST_ABILITIES, HOST_ABILITIES))
    play.wrote(c.packet(c.SET_PROFILE, bytes.fromhex("a1b21300")))
    play.wrote(c.packet(c.CONFIGURATION)).reply(configuration())
    play.wrote(c.packet(c.EXTRA_FIRMWARE))
    play.wrote(c.packet(c.SET_TIME, encode_ts4(play.clock())))
    result(play)


def test_extra_firmware_is_awaited_when_the_watch_has_it(play: Playbook[Packet]) -> None:
    begin(play).wrote(LOGIN).reply(reply(c.LOGIN_REPLY, "00"))
    play.wrote(c.packet(c.HOST_ABILITIES, HOST_ABILITIES))
    play.wrote(c.packet(c.CONFIGURATION)).reply(configuration(CONNECTED))
    play.wrote(c.packet(c.EXTRA_FIRMWARE)).wrote_nothing()
    play.reply(reply(c.EXTRA_FIRMWARE_REPLY, "0103012345"))
    play.wrote(c.packet(c.SET_TIME, encode_ts4(play.clock())))
    extra = result(play).extra_firmware
    assert extra is not None
    assert extra.gnss == "00074565"


def test_the_time_is_that_of_its_sending(play: Playbook[Packet]) -> None:
    begin(play).wrote(LOGIN).reply(reply(c.LOGIN_REPLY, "00"))
    before = play.clock()
    play.wrote(c.packet(c.HOST_ABILITIES, HOST_ABILITIES), acknowledged=False).passes(5)
    play.acknowledge().wrote(c.packet(c.CONFIGURATION)).passes(7).reply(configuration())
    play.wrote(c.packet(c.EXTRA_FIRMWARE))
    assert play.clock() == before + 12
    play.wrote(c.packet(c.SET_TIME, encode_ts4(play.clock())))
    result(play)


def test_the_configuration_can_be_read_again(play: Playbook[Packet]) -> None:
    def project() -> Procedure[int]:
        found = yield from read_configuration()
        return len(found.device_info.project)

    play.start(project()).wrote(c.packet(c.CONFIGURATION)).reply(configuration()).returned(12)
