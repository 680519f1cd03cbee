"""`gatewayd replay` of 100,000 packets, beside tshark reading the same file.

`python -m tests.bench.replay`. The trace is the virtual watch's, connecting again and again; whole
processes are measured, from start to last line, as the median of runs that alternate. Resident
memory is taken at this size and at ten times as much.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.bench.figures import Figure, median, run
from tests.integration.trace.captures import capture
from tests.unit.trace.writers import Packet, as_h4, btsnoop, from_btsnoop

PACKETS: Final = 100_000
TIMES: Final = 10
RUNS: Final = 5
ROOT: Final = Path(__file__).parents[2]
_PEAK: Final = """
import re, sys
from gatewayd.cli.main import main
status = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1], file=sys.stderr)
sys.exit(status)
"""
_ATT_ONLY: Final = """
import sys
from gatewayd.trace.outcome import AttSeen
from gatewayd.trace.replay import Replay, ReplayOptions
with open(sys.argv[1], "rb") as stream:
    for seen in Replay(ReplayOptions(with_att=True)).run(stream):
        if isinstance(seen, AttSeen):
            print(seen.opcode, seen.handle, seen.value.hex(), sep="\\t")
"""
"""What tshark does with `-T fields`."""


def measure() -> Iterator[Figure]:
    """Seconds, ratios, and memory."""
    tshark = shutil.which("tshark")
    with tempfile.TemporaryDirectory(prefix="gatewayd-bench-") as directory:
        path, large = Path(directory) / "one.btsnoop", Path(directory) / "ten.btsnoop"
        base = from_btsnoop(capture(connections=3).btsnoop)
        path.write_bytes(_grown(base, PACKETS))
        large.write_bytes(_grown(base, PACKETS * TIMES))
        replay = [sys.executable, "-m", "gatewayd", "replay", str(path)]
        commands: dict[str, Sequence[str]] = {
            "replay": [*replay, "--format", "json"],
            "replay, each ATT PDU": [*replay, "--format", "json", "--att"],
        }
        commands["replay, ATT only"] = [sys.executable, "-c", _ATT_ONLY, str(path)]
        if tshark is not None:
            commands["tshark json"] = [tshark, "-r", str(path), "-T", "json"]
            commands["tshark fields"] = [
                *(tshark, "-r", str(path), "-Y", "btatt", "-T", "fields"),
                *("-e", "btatt.opcode", "-e", "btatt.handle", "-e", "btatt.value"),
            ]
        took: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(RUNS):
            for name, command in commands.items():
                took[name].append(_seconds(command))
        seconds = {name: median(values) for name, values in took.items()}
        for name in ("replay", "replay, each ATT PDU", "replay, ATT only"):
            yield Figure(f"{name}, {PACKETS:,} packets", seconds[name], "s")
        if tshark is not None:
            for ours, other in (("replay", "tshark json"), ("replay, ATT only", "tshark fields")):
                yield Figure(
                    f"{ours} / {other}",
                    seconds[ours] / seconds[other],
                    "times",
                    goal=1.0,
                    reference=f"{other} {seconds[other]:.2f} s",
                )
        small_kib, large_kib = _peak_kib(path), _peak_kib(large)
        yield Figure(f"peak memory, {PACKETS:,} packets", small_kib / 1024, "MiB")
        yield Figure(
            f"peak memory, {PACKETS * TIMES:,} packets",
            large_kib / 1024,
            "MiB",
            goal=small_kib / 1024 * 1.1,
        )


def _grown(base: Sequence[Packet], count: int) -> bytes:
    """The same conversation again and again, each later than the one before."""
    span_us = base[-1].at_us - base[0].at_us + 10**6
    packets = (
        Packet(packet.at_us + span_us * (number // len(base)), packet.received, packet.h4)
        for number in range(count)
        for packet in (base[number % len(base)],)
    )
    return btsnoop(as_h4(packets), 1002)


def _seconds(command: Sequence[str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, text=True
    )
    took = time.perf_counter() - started
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr[-300:]}")
    return took


def _peak_kib(path: Path) -> int:
    command = [sys.executable, "-c", _PEAK, "replay", str(path), "--format", "json"]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True, text=True
    )
    return int(done.stderr.split()[-1])


def main() -> None:
    """A table, or JSON lines."""
    run(measure)


if __name__ == "__main__":
    main()
