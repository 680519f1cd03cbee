"""`gatewayd run` in a process of its own."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[3]
END_S = 10.0


class Daemon:
    """One life of the gateway. `log` is what it has said so far, as far as somebody waited."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.lines: list[str] = []

    @classmethod
    async def start(
        cls, config: Path, environment: Mapping[str, str] = {}, command: Sequence[str] = ("run",)
    ) -> "Daemon":
        """Start it; it is not ready yet."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gatewayd",
            *command,
            "--config",
            str(config),
            cwd=ROOT,
            env={**os.environ, **environment},
            stderr=PIPE,
        )
        return cls(process)

    def kill(self) -> None:
        """SIGKILL; it is dead when this returns. From any thread; again is harmless."""
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.process.pid, signal.SIGKILL)
            # without reaping: that is asyncio's business
            os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)

    async def says(self, event: str, limit_s: float = 30.0) -> Mapping[str, object]:
        """Wait until it logs an event."""
        try:
            async with asyncio.timeout(limit_s):
                while (line := await self._line()) is not None:
                    entry = _entry(line)
                    if entry.get("event") == event:
                        return entry
        except TimeoutError:
            raise AssertionError(f"no {event} within {limit_s:g} s:\n{self.text}") from None
        raise AssertionError(f"ended without {event}:\n{self.text}")

    async def ends(self, limit_s: float = END_S) -> int:
        """Wait for its end; everything it said is in `lines` then."""
        try:
            async with asyncio.timeout(limit_s):
                while await self._line() is not None:
                    pass
                return await self.process.wait()
        except TimeoutError:
            raise AssertionError(f"still there after {limit_s:g} s:\n{self.text}") from None

    async def stop(self, limit_s: float = END_S) -> None:
        """SIGTERM, and an orderly end."""
        self.process.send_signal(signal.SIGTERM)
        status = await self.ends(limit_s)
        assert status == 0, self.text

    async def remove(self) -> None:
        """Whatever state it is in."""
        self.kill()
        await self.ends()

    @property
    def text(self) -> str:
        """What it has said so far."""
        return "\n".join(self.lines)

    def entries(self, event: str) -> list[Mapping[str, object]]:
        """What it has said so far of one event."""
        return [entry for entry in map(_entry, self.lines) if entry.get("event") == event]

    async def _line(self) -> str | None:
        assert self.process.stderr is not None
        line = await self.process.stderr.readline()
        if not line:
            return None
        self.lines.append(line.decode().rstrip("\n"))
        return self.lines[-1]


def _entry(line: str) -> Mapping[str, object]:
    if not line.startswith("{"):
        return {}
    entry: Mapping[str, object] = json.loads(line)
    return entry
