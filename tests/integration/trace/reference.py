"""tshark, as an independent reader of the same file."""

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

TSHARK = shutil.which("tshark")


def wanted(program: str | None, name: str) -> pytest.MarkDecorator:
    """Skips where the program is missing; in CI it has to be there."""
    missing = program is None and not os.environ.get("CI")
    return pytest.mark.skipif(missing, reason=f"{name} is not installed")


class Pdu(NamedTuple):
    """An attribute PDU as tshark shows it: opcode, handle if it names one, and its value."""

    opcode: int
    handle: int | None
    value: str


def att_pdus(path: Path) -> list[Pdu]:
    """Every attribute PDU in order. A frame holds one at most in what we write."""
    assert TSHARK is not None
    fields = ("btatt.opcode", "btatt.handle", "btatt.value")
    arguments = [part for name in fields for part in ("-e", name)]
    done = subprocess.run(
        [TSHARK, "-r", path, "-Y", "btatt", "-T", "fields", "-E", "occurrence=a", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    pdus = []
    for line in done.stdout.splitlines():
        opcode, handles, value = line.split("\t")
        # inferred handles stand behind those of the PDU itself
        handle = int(handles.split(",")[0], 16) if handles else None
        pdus.append(Pdu(int(opcode.split(",")[0], 16), handle, value))
    return pdus


def per_handle(pdus: list[Pdu]) -> Counter[int | None]:
    """Notifications."""
    return Counter(pdu.handle for pdu in pdus if pdu.opcode == 0x1B)
