"""This installation's constant identity towards watches.

A watch that is bound under another identity than before may erase what it has stored, so the one
that was chosen first is kept beside the store for as long as the store lives.
"""

import os
import re
import secrets
from pathlib import Path
from typing import Final

from gatewayd.errors import PermissionRefused, StoreDamaged, StoreError

FILE_NAME: Final = "user-id"

_VALID: Final = re.compile(r"[A-Za-z0-9._-]{1,28}")


def user_id(directory: Path) -> str:
    """Read the identity, or choose one: durable, and readable by its owner only.

    Raises PermissionRefused, StoreDamaged, StoreError.
    """
    path = directory / FILE_NAME
    try:
        if (kept := _read(path)) is not None:
            return kept
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        chosen = secrets.token_hex(12)
        _write(path, chosen)
    except PermissionError as error:
        raise PermissionRefused(
            f"{path} is not accessible", f"Let this user read and write {directory}."
        ) from error
    except OSError as error:
        raise StoreError(f"{path} cannot be used ({error.strerror})") from error
    return chosen


def _read(path: Path) -> str | None:
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None
    if not _VALID.fullmatch(text):
        raise StoreDamaged(
            f"{path} holds no identity",
            "Restore it from a backup, or set user_id in the configuration to the one in use.",
        )
    return text


def _write(path: Path, text: str) -> None:
    """All or nothing: after a power cut there is either no file or a whole one."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
