"""The virtual watch: what section 13 of the specification says a watch must do, and remembers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from protocols.testing.virtual_watch.effects import Effect
from protocols.testing.virtual_watch.entry import Entry
from protocols.testing.virtual_watch.faults import Faults, Impostor
from protocols.testing.virtual_watch.frames import Message, messages, packet
from protocols.testing.virtual_watch.gatt import SERVICES, WRITE_UUID, Advertisement, Service
from protocols.testing.virtual_watch.held import Erased, EraseReason, Memory, Transfer
from protocols.testing.virtual_watch.history import (
    HEART_RATE,
    SPORT,
    SPOT_HEART_RATE,
    Block,
    History,
    heart_rate_record,
    spot_heart_rate_record,
)
from protocols.testing.virtual_watch.link import Delivered, GivenUp, LinkEvent, Received, WatchLink
from protocols.testing.virtual_watch.profile import MODERN, WatchProfile
from protocols.testing.virtual_watch.samples import from_ts4, ts4, vector
from protocols.testing.virtual_watch.workouts import OUTDOOR_RUN, build_workout

DATA_BYTES: Final = 480
"""Value bytes of a 05/30 frame unless told otherwise: one notification at the largest MTU."""

_USER_ID_BYTES: Final = 32
# settings that are read back as they were written: read key -> (write key, reply key)
_STORED: Final = MappingProxyType({0x03: (0x02, 0x04), 0x99: (0x06, 0x9A), 0xA5: (0x3A, 0xA6)})
_SCREEN_VIBRATION: Final = 0x7B


class BindAnswer(IntEnum):
    """What becomes of the question on the watch's screen (reply byte of 03/12, spec 4.4)."""

    CONFIRMED = 0
    REFUSED = 2
    TIMED_OUT = 3
    RESET_REQUIRED = 5


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How the wearer answers a bind request: after `delay_s` seconds; None = not by itself."""

    answer: BindAnswer = BindAnswer.CONFIRMED
    delay_s: float | None = 0.0


class Heard(NamedTuple):
    """One key that the host sent."""

    command: int
    key: int
    value: bytes
    at_s: float


class VirtualWatch:
    """A watch that survives its connections: connect the same object again and again.

    Seconds are any monotonic clock of the host's; `datetime`s are the watch's local time, without
    zone. Every input may queue effects: drain `next_effect` after each, and call `tick` at
    `deadline`. Public attributes are for tests to look at.
    """

    def __init__(
        self,
        history: History,
        *,
        profile: WatchProfile = MODERN,
        bound_user: str | None = None,
        confirmation: Confirmation = Confirmation(),
        faults: Faults = Faults(),  # noqa: B008 - frozen
        data_bytes: int = DATA_BYTES,
        header_alone: bool = True,
        rebinding_erases: bool = True,
    ) -> None:
        self.profile = profile
        self.bound_user = bound_user
        self.confirmation = confirmation
        self.log: list[Heard] = []
        self.times_set: list[datetime] = []
        self.settings: dict[int, bytes] = {}
        self.configuration = profile.configuration()
        self.battery = bytes((0, 80, 80))
        self._history = history
        self._faults = faults
        self._data_bytes = data_bytes
        self._rebinding_erases = rebinding_erases
        self._memory = Memory(history, faults, step_bytes=6 if profile.supports(259) else 2)
        self._link = WatchLink(faults, header_alone=header_alone)
        self._items = 0
        self._transfer: Transfer | None = None
        self._is_trusted = False
        self._asking: str | None = None
        self._answer_due: float | None = None
        self._now = 0.0
        self._handlers = self._catalogue()

    # --- what a host builds its GATT server from -----------------------------------------------

    @property
    def services(self) -> tuple[Service, ...]:
        """The GATT server's content."""
        return SERVICES

    @property
    def advertisement(self) -> Advertisement:
        """What it says while nobody is connected."""
        return self.profile.advertisement

    # --- inputs --------------------------------------------------------------------------------

    def connected(self, mtu: int, now: float) -> None:
        """A central connected; `mtu` is what was negotiated (23 if nothing was)."""
        self._now = now
        self._forget_connection()
        self._link.opened(mtu)

    def subscribed(self) -> None:
        """The central enabled notifications of the notify characteristic."""
        self._link.subscribed(self._now)

    def written(self, characteristic: str, data: bytes, now: float) -> None:
        """The central wrote to a characteristic."""
        self._now = now
        if characteristic == WRITE_UUID:
            self._carry_on(self._link.written(data, now))

    def tick(self, now: float) -> None:
        """Time has passed; call it at or after `deadline()`."""
        self._now = now
        if self._answer_due is not None and now >= self._answer_due:
            self.answer_binding(self.confirmation.answer, now)
        self._carry_on(self._link.tick(now))

    def disconnected(self, now: float) -> None:
        """The link is gone. What was under way is forgotten, what is held stays held."""
        self._now = now
        self._link.closed()
        self._forget_connection()

    def deadline(self) -> float | None:
        """Second of the next `tick`, or None."""
        due = (self._answer_due, self._link.deadline())
        return min((at for at in due if at is not None), default=None)

    def next_effect(self) -> Effect | None:
        """The next effect in order, or None when everything has been drained."""
        return self._link.next_effect()

    # --- what happens on the wrist -------------------------------------------------------------

    def add_heart_rate(self, at: datetime, bpm: int) -> None:
        """A periodic heart rate is recorded."""
        self._memory.add(HEART_RATE, heart_rate_record(at, bpm))

    def measure_heart_rate(self, at: datetime, bpm: int, now: float) -> None:
        """The wearer measures: recorded as a spot value, and told at once (02/CA 4)."""
        self._memory.add(SPOT_HEART_RATE, spot_heart_rate_record(at, bpm))
        self.push(0x02, 0xCA, b"\x04\x05" + ts4(at) + bytes((bpm,)), now)

    def finish_workout(self, start: datetime, now: float) -> None:
        """An outdoor run that began at `start` ends: recorded and told (02/CA 2)."""
        record, entry = build_workout(start, OUTDOOR_RUN, self.profile)
        self._memory.add(SPORT, Block(record, (entry,)))
        self.push(0x02, 0xCA, b"\x02\x00", now)

    def set_battery(self, percent: int, now: float, *, charging: bool = False) -> None:
        """The battery changes: told at once (02/CA 1) and from now on when asked."""
        self.battery = bytes((charging, percent, percent))
        self.push(0x02, 0xCA, b"\x01\x03" + self.battery, now)

    def ask_for_time(self, now: float) -> None:
        """The watch wants to know the time (08/26)."""
        self.push(0x08, 0x26, b"", now)

    def push(self, command: int, key: int, value: bytes, now: float) -> None:
        """Tell the host anything, if one is there that logged in; otherwise it is not told."""
        self._now = now
        if self._is_trusted and self._link.can_notify:
            self._link.send(packet(command, key, value), now)

    def answer_binding(self, answer: BindAnswer, now: float) -> None:
        """The wearer answers the question on the screen; without a question nothing happens."""
        self._now = now
        user, self._asking, self._answer_due = self._asking, None, None
        if user is None:
            return
        if answer is BindAnswer.CONFIRMED:
            if self.bound_user not in (None, user) and self._rebinding_erases:
                self._transfer = None
                self._memory.forget_all(now, EraseReason.REBOUND)
            self.bound_user = user
            self._is_trusted = True
        self._reply(0x03, 0x12, bytes((answer,)))

    # --- for tests and benchmarks --------------------------------------------------------------

    @property
    def erased(self) -> tuple[Erased, ...]:
        """The blocks that the watch forgot, in order."""
        return tuple(self._memory.erased)

    @property
    def held(self) -> Mapping[int, Block]:
        """What it holds now, type by type, without the oddities of the faults."""
        return self._memory.blocks

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything that a host could still fetch, the private replies included."""
        stored = [entry for block in self.held.values() for entry in block.entries]
        private = (self._history.resting_heart_rate, self._history.day_totals)
        return (*stored, *(entry for block in private for entry in block.entries))

    @property
    def total_bytes(self) -> int:
        """What 05/06 tells."""
        return self._memory.total_bytes()

    def precompute(self) -> None:
        """Work out every check value now, so that a benchmark measures the other side."""
        self._memory.precompute(self._data_bytes)

    # --- the conversation ----------------------------------------------------------------------

    def _forget_connection(self) -> None:
        self._transfer = None
        self._is_trusted = False
        self._asking = None
        self._answer_due = None

    def _carry_on(self, events: list[LinkEvent]) -> None:
        for event in events:
            match event:
                case Received(payload):
                    for message in messages(payload):
                        self._heard(message)
                case Delivered(payload):
                    self._delivered(payload)
                case GivenUp(payload):
                    if payload[0] == 5:
                        self._transfer = None
        if not self._link.is_open:
            self._forget_connection()
        self._feed()

    def _heard(self, message: Message) -> None:
        self.log.append(Heard(*message, self._now))
        impostor = self._faults.impostor
        if impostor is Impostor.OTHER_COMMANDS:
            self._link.send(packet(0x0A, message.key, message.value[:4]), self._now)
            return
        if impostor is Impostor.OTHER_MAGIC:
            self._link.send_raw(b"\xbc\x01" + message.value[:4])
            return
        # A real watch tells a stranger nothing; only binding and login work before either.
        if not self._is_trusted and message.command != 3:
            return
        handler = self._handlers.get((message.command, message.key))
        if handler is not None:
            handler(message.value)
        elif message.command == 2:
            self._setting(message.key, message.value)

    def _catalogue(self) -> dict[tuple[int, int], Callable[[bytes], None]]:
        handlers: dict[tuple[int, int], Callable[[bytes], None]] = {
            (0x03, 0x13): self._login,
            (0x03, 0x11): self._bind,
            (0x03, 0x15): self._unbind,
            (0x02, 0x01): self._set_time,
            (0x02, 0x1B): lambda _: self._reply(0x02, 0x1C, self.battery),
            (0x02, 0x20): lambda _: self._reply(0x02, 0x21, self._configuration_block()),
            (0x02, 0x37): lambda _: self._reply(0x02, 0x38, bytes(4)),
            (0x05, 0x01): self._start_item,
            (0x05, 0x05): lambda _: self._reply(0x05, 0x06, self.total_bytes.to_bytes(4, "big")),
            (0x05, 0x20): self._item_result,
            (0x05, 0x21): lambda _: self._reply(0x05, 0x22, self._history.day_totals.data),
        }
        if self.profile.supports(540):
            resting = self._history.resting_heart_rate.data
            handlers[0x02, 0xE1] = lambda _: self._reply(0x02, 0xE2, resting)
        if self.profile.supports(552):
            versions = vector("data-device-info", "extra-firmware-1")
            handlers[0x02, 0xE7] = lambda _: self._reply(0x02, 0xE8, versions)
        if self.profile.supports(594):
            daily = self._history.daily_hrv
            handlers[0x08, 0x94] = lambda _: self._reply(0x08, 0x95, daily)
        return handlers

    def _reply(self, command: int, key: int, value: bytes) -> None:
        self._link.send(packet(command, key, value), self._now)

    def _login(self, value: bytes) -> None:
        user = _user_id(value)
        is_known = user == self.bound_user and not self._faults.login_refused
        self._is_trusted = is_known
        self._reply(0x03, 0x14, b"\x00" if is_known else b"\x01")

    def _bind(self, value: bytes) -> None:
        self._asking = _user_id(value)
        delay_s = self.confirmation.delay_s
        if delay_s is None:
            self._answer_due = None
        elif delay_s <= 0:
            self.answer_binding(self.confirmation.answer, self._now)
        else:
            self._answer_due = self._now + delay_s

    def _unbind(self, _value: bytes) -> None:
        if not self._is_trusted:
            self._reply(0x03, 0x16, b"\x01")
            return
        self._reply(0x03, 0x16, b"\x00")
        self.bound_user = None
        self._is_trusted = False
        self._transfer = None
        self._memory.forget_all(self._now, EraseReason.UNBOUND)

    def _set_time(self, value: bytes) -> None:
        at = from_ts4(value) if len(value) == 4 else None
        if at is not None:
            self.times_set.append(at)

    def _configuration_block(self) -> bytes:
        entries = self.configuration.items()
        return b"".join(bytes((kind, len(data))) + data for kind, data in entries)

    def _setting(self, key: int, value: bytes) -> None:
        """Remember what is written, give back what is read; everything else is met in silence."""
        kind = key + 2 if key != _SCREEN_VIBRATION else 0x7A
        if kind in self.configuration and kind not in (0x11, 0xC9):
            self.configuration[kind] = value
        elif key in _STORED:
            write_key, reply_key = _STORED[key]
            self._reply(0x02, reply_key, self.settings.get(write_key, b""))
        else:
            self.settings[key] = value

    # --- item sync -----------------------------------------------------------------------------

    def _start_item(self, value: bytes) -> None:
        if len(value) == 1:
            self._items += 1
            self._transfer = self._memory.transfer(value[0], self._items, self._data_bytes)

    def _feed(self) -> None:
        """Hand the transfer's next frame over as soon as the link is free."""
        transfer = self._transfer
        while transfer is not None and transfer.packets and self._link.is_free:
            if len(transfer.packets) == 1:
                if transfer.number in self._faults.drop_before_end:
                    self._link.drop()
                    self._forget_connection()
                    return
                transfer.ended = True
            self._link.send(transfer.packets.popleft(), self._now)
        if not self._link.is_open:
            self._forget_connection()

    def _delivered(self, payload: bytes) -> None:
        transfer = self._transfer
        if transfer is None:
            return
        if transfer.ended and payload[:3] == b"\x05\x00\x08":
            if transfer.number in self._faults.drop_before_result:
                self._link.drop()
        elif payload[:3] == b"\x05\x00\x07" and transfer.number in self._faults.interrupted:
            self.push(0x02, 0xCA, b"\x01\x03" + self.battery, self._now)
            self.push(0x02, 0x1C, self.battery, self._now)

    def _item_result(self, value: bytes) -> None:
        transfer = self._transfer
        if transfer is None or not transfer.ended:
            return
        self._transfer = None
        if value[:1] == b"\x00":
            self._memory.forget(transfer, self._now)


def _user_id(value: bytes) -> str:
    return value[:_USER_ID_BYTES].rstrip(b"\x00").decode(errors="replace")
