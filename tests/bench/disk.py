"""Where benchmarks keep their stores, and what that disk takes for a sync."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Final

PARENT: Final = Path("/var/tmp")  # noqa: S108 - unlike /tmp a disk by convention
PAGE: Final = 4096 + 24
"""What SQLite appends to its log for one page."""


@contextmanager
def directory_on_disk() -> Iterator[Path]:
    """A directory for a store. Raises RuntimeError where it would be in memory."""
    kind = file_system(PARENT)
    if kind in ("tmpfs", "ramfs"):
        raise RuntimeError(f"{PARENT} is {kind}: figures of a store in memory mean nothing")
    with TemporaryDirectory(prefix="gatewayd-bench-", dir=PARENT) as directory:
        yield Path(directory)


def file_system(path: Path) -> str:
    """The type of the file system that holds a path."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text("utf-8").splitlines()]
    holding = [mount for mount in mounts if path.is_relative_to(mount[1])]
    return max(holding, key=lambda mount: len(mount[1]))[2]


def floor_ms(directory: Path, rate: int, *, pages: int = 7, count: int = 200) -> list[float]:
    """The least that durability costs, paced: another thread appends a commit of so many pages and
    syncs it, and answers. In milliseconds each."""
    descriptor = os.open(directory / "floor", os.O_RDWR | os.O_CREAT, 0o600)
    block = os.urandom(PAGE * pages)
    jobs: SimpleQueue[bool] = SimpleQueue()
    done: SimpleQueue[bool] = SimpleQueue()

    def work() -> None:
        while jobs.get():
            os.write(descriptor, block)
            os.fdatasync(descriptor)
            done.put(item=True)

    thread = Thread(target=work)
    thread.start()
    took: list[float] = []
    try:
        # like SQLite's log, whose file keeps its length from one checkpoint to the next
        os.write(descriptor, bytes(len(block) * count))
        os.fsync(descriptor)
        os.lseek(descriptor, 0, os.SEEK_SET)
        for _ in range(count):
            time.sleep(1 / rate)
            started = time.perf_counter()
            jobs.put(item=True)
            done.get()
            took.append((time.perf_counter() - started) * 1000)
    finally:
        jobs.put(item=False)
        thread.join()
        os.close(descriptor)
    return took
