"""A long fuzz campaign: `python -m tests.bench.fuzz [MINUTES] [SEED]`.

Golden vectors are cut, spliced, flipped and mixed with noise, and fed to every entry point that
takes a stranger's bytes. Anything but `RemoteProtocolError` (decoders),
`TraceError` (files) or silence (sessions, observers) is printed with the bytes that caused it and
makes the exit status 1. It is no part of the test run, which has its own, short and derandomised.
"""

import io
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from typing import Final

from gatewayd.trace.errors import TraceError
from gatewayd.trace.replay import Replay, ReplayOptions
from protocols.errors import RemoteProtocolError
from protocols.fitcloud.commands import NOTIFY, SERVICE, WRITE
from protocols.fitcloud.features import Features
from protocols.fitcloud.messages import (
    auth,
    battery,
    configuration,
    device_info,
    event,
    firmware,
    goal,
    hardware,
    limits,
    motion,
    sport_link,
    totals,
)
from protocols.fitcloud.records.table import SUPPORTED, RecordContext, decode
from protocols.fitcloud.session import FitCloudSession
from protocols.fitcloud.spec import SPEC
from protocols.model.catalog import Category
from protocols.model.intents import ReadBattery, Sync
from protocols.model.time import DeviceTime, Moment
from protocols.session import (
    Commit,
    LinkFacts,
    Property,
    SessionSettings,
    Subscribe,
    Ticket,
    Write,
)
from protocols.testing.virtual_watch.frames import data_frame

Target = Callable[[random.Random, bytes], None]

MAX_BYTES: Final = 4096
MAX_EFFECTS: Final = 20_000
FACTS: Final = LinkFacts(
    "C0:FF:EE:00:00:01",
    None,
    244,
    frozenset({SERVICE}),
    {WRITE: Property.WRITE, NOTIFY: Property.NOTIFY},
)
MESSAGES: Final = (
    auth.decode_bind_reply,
    auth.decode_login_reply,
    auth.decode_unbind_reply,
    battery.decode_battery,
    configuration.decode_configuration,
    device_info.decode_device_info,
    event.decode_event,
    firmware.decode_extra_firmware,
    goal.decode_goal,
    hardware.decode_hardware,
    limits.decode_limits,
    motion.decode_motion,
    sport_link.decode_status_push,
    sport_link.decode_status_reply,
    sport_link.decode_totals_push,
    totals.decode_daily_hrv,
    totals.decode_resting,
    totals.decode_totals,
)


def corpus() -> list[bytes]:
    """The bytes of all golden vectors."""
    found: list[bytes] = []
    for file in (files("protocols.fitcloud") / "vectors").iterdir():
        if file.name.endswith(".jsonl"):
            for line in file.read_text().splitlines():
                pieces = json.loads(line).get("hex") or ""
                text = "".join(pieces) if isinstance(pieces, list) else pieces
                found.append(bytes.fromhex(text))
    return [data for data in found if data]


def mutated(chance: random.Random, seeds: list[bytes]) -> bytes:
    """A vector, or two spliced, with up to eight mistakes; one in ten is pure noise."""
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(MAX_BYTES))
    data = bytearray(chance.choice(seeds))
    if chance.random() < 0.3:
        other = chance.choice(seeds)
        data[chance.randrange(len(data)) :] = other[chance.randrange(len(other)) :]
    for _ in range(chance.randrange(9)):
        if not data:
            break
        at = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
            case 2:
                del data[at : at + chance.randrange(1, 9)]
            case _:
                data[at:at] = chance.randbytes(chance.randrange(1, 9))
    return bytes(data[:MAX_BYTES])


def records(chance: random.Random, data: bytes) -> None:
    """A record stream of any type, with any features."""
    features = Features(frozenset(chance.sample(range(610), chance.randrange(120))))
    latest = chance.choice((None, DeviceTime(800_000_000)))
    context = RecordContext(features, chance.choice((None, 1, 2, 6, 12)), latest)
    decode(chance.choice(tuple(SUPPORTED)), data, context)


def messages(chance: random.Random, data: bytes) -> None:
    """A key's value."""
    chance.choice(MESSAGES)(data)


def session(chance: random.Random, data: bytes) -> None:
    """Notifications in the middle of a connection: some in frames that hold, some not."""
    settings = SessionSettings("fuzz", consent=frozenset(Category))
    talk = FitCloudSession(settings)
    now = 0.0
    talk.opened(FACTS, Moment(now, DeviceTime(800_000_000)))
    talk.submit(Ticket(1), Sync(), Moment(now, DeviceTime(800_000_000)))
    talk.submit(Ticket(2), ReadBattery(), Moment(now, DeviceTime(800_000_000)))
    effects = 0
    for sequence in range(1, 24):
        moment = Moment(now, DeviceTime(800_000_000 + int(now)))
        while (effect := talk.next_effect()) is not None:
            effects += 1
            if effects > MAX_EFFECTS:
                raise AssertionError("effects without end")
            if isinstance(effect, Write | Subscribe):
                talk.written(moment)
            elif isinstance(effect, Commit):
                talk.confirm(effect.receipt, moment)
        start = chance.randrange(len(data) + 1)
        part = data[start : start + chance.randrange(1, 300)]
        if chance.random() < 0.7:
            key = chance.choice(
                ((3, 0x14), (2, 0x21), (5, 6), (5, 7), (5, 0x30), (5, 8), (2, 0xCA), (2, 0x1C))
            )
            value = part[:200]
            payload = bytes((key[0], 0, key[1])) + len(value).to_bytes(2, "big") + value
            part = data_frame(payload, sequence)
        talk.received(NOTIFY, part, moment)
        now += chance.choice((0.01, 0.5, 5.1, 15.1))
        deadline = talk.deadline()
        if deadline is not None and deadline <= now:
            talk.tick(Moment(now, DeviceTime(800_000_000 + int(now))))
    talk.closed(Moment(now, DeviceTime(800_000_000)))


def observer(chance: random.Random, data: bytes) -> None:
    """Both sides of a conversation, read along."""
    if SPEC.observe is None:
        raise AssertionError("FitCloud has an observer")
    along = SPEC.observe()
    at = Moment(0.0, DeviceTime(800_000_000))
    along.opened(chance.choice((None, FACTS.address)), at)
    for sequence in range(12):
        start = chance.randrange(len(data) + 1)
        part = data[start : start + chance.randrange(1, 300)]
        if chance.random() < 0.6:
            part = data_frame(part, sequence)
        say = chance.choice((along.written, along.notified))
        say(chance.choice((WRITE, NOTIFY)), part, at)
        while along.next_observation() is not None:
            pass
    along.closed(at)


def trace(chance: random.Random, data: bytes) -> None:
    """A trace file of any kind, by its first bytes."""
    heads = (
        b"btsnoop\0\0\0\0\1" + chance.choice((1001, 1002, 2001)).to_bytes(4, "big"),
        b"\xd4\xc3\xb2\xa1\2\0\4\0"
        + bytes(12)
        + chance.choice((187, 201, 251, 256)).to_bytes(4, "little"),
        b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\1\0\0\0" + b"\xff" * 8 + b"\x1c\0\0\0",
        b"",
    )
    for _ in Replay(ReplayOptions(specs=(SPEC,))).run(io.BytesIO(chance.choice(heads) + data)):
        pass


TARGETS: Final[tuple[Target, ...]] = (records, messages, session, observer, trace)


def main(arguments: list[str]) -> int:
    """Runs for as many minutes as asked (10), and prints what it did."""
    minutes = float(arguments[0]) if arguments else 10.0
    seed = int(arguments[1]) if len(arguments) > 1 else 20261124
    chance = random.Random(seed)
    seeds = corpus()
    done: Counter[str] = Counter()
    size = failures = 0
    end = time.monotonic() + minutes * 60
    while time.monotonic() < end:
        data = mutated(chance, seeds)
        target = chance.choice(TARGETS)
        try:
            target(chance, data)
        except (RemoteProtocolError, TraceError):
            done[f"{target.__name__}: refused"] += 1
        except Exception as error:  # noqa: BLE001 - that is what it looks for
            failures += 1
            print(f"{target.__name__}: {type(error).__name__}: {error}\n  {data.hex()}", flush=True)
        done[target.__name__] += 1
        size += len(data)
    inputs = sum(done[target.__name__] for target in TARGETS)
    print(f"seed {seed}, {minutes:g} min, {inputs:,} inputs, {size:,} bytes")
    for name in sorted(done):
        print(f"  {name}: {done[name]:,}")
    print(f"{failures} failures")
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
