"""Processes under the stop watch: the gateway itself, and a bare one with the same libraries."""

import asyncio
import json
import os
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]

BARE_IMPORTS: Final = (
    "import structlog, bleak, aiomqtt, platformdirs, sqlite3, asyncio;"
    "import apscheduler.schedulers.asyncio"
)
"""The libraries of the gateway. pydantic, which the reference figure of the requirements includes,
is none of them and is left out."""

_READY: Final = (
    "import os, socket;"
    "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)"
    ".sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])"
)
BARE_START: Final = f"{BARE_IMPORTS}; {_READY}"
BARE_IDLE: Final = f"{BARE_IMPORTS}; asyncio.run(asyncio.sleep(3600))"


class Use(NamedTuple):
    """What a process has used so far, all threads together."""

    at_s: float
    cpu_s: float
    wake_ups: int


def use(pid: int) -> Use:
    """CPU time and voluntary context switches."""
    stat = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    ticks = int(stat[11]) + int(stat[12])
    wake_ups = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        for line in status.read_text("utf-8").splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                wake_ups += int(line.split()[1])
    return Use(time.monotonic(), ticks / os.sysconf("SC_CLK_TCK"), wake_ups)


def resident_mib(pid: int) -> float:
    """Resident memory."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8").splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("smaps_rollup has no Rss line")


@asynccontextmanager
async def running(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    """A Python process, killed on the way out. Its standard error is a pipe."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def logged(process: Process, event: str) -> None:
    """Wait until the gateway logs an event. Raises RuntimeError when it ends before."""
    if process.stderr is None:
        raise RuntimeError("its standard error is not a pipe")
    seen: list[bytes] = []
    async for line in process.stderr:
        seen.append(line)
        if line.startswith(b"{") and json.loads(line).get("event") == event:
            return
    raise RuntimeError(b"".join(seen).decode(errors="replace"))


async def start_s(arguments: Sequence[str], directory: Path) -> float:
    """Seconds from exec to READY=1 on the notification socket; the process is ended then."""
    path = directory / "notify"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(path))
        channel.setblocking(False)
        started = time.perf_counter()
        async with running(arguments, {"NOTIFY_SOCKET": str(path)}):
            async with asyncio.timeout(30):
                while b"READY=1" not in await asyncio.get_running_loop().sock_recv(channel, 4096):
                    pass
            return time.perf_counter() - started


def write_config(directory: Path, port: int, address: str, *, transport: str | None = None) -> Path:
    """A configuration file for one watch, with a store beside it."""
    bluetooth = "" if transport is None else f'[bluetooth]\ntransport = "{transport}"\n'
    path = directory / "gatewayd.toml"
    path.write_text(
        f"""[store]
path = "{directory / "store" / "gatewayd.db"}"
[mqtt]
url = "mqtt://127.0.0.1:{port}"
[log]
format = "json"
{bluetooth}[[devices]]
name = "bench-watch"
address = "{address}"
protocol = "fitcloud"
may_bind = true
collect = ["activity", "heart", "sleep", "workout"]
"""
    )
    return path
