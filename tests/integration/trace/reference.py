"""tshark, as an independent reader of the same file."""

import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

TSHARK = shutil.which("tshark")


def wanted(program: str | None, name: str) -> pytest.MarkDecorator:
    """Skips where the program is missing; in CI it has to be there."""
    missing = program is None and not os.environ.get("CI")
    return pytest.mark.skipif(missing, reason=f"{name} is not installed")


def att_pdus(path: Path) -> list[bytes]:
    """Every attribute PDU in order, whole."""
    assert TSHARK is not None
    done = subprocess.run(
        [TSHARK, "-r", path, "-Y", "btatt", "-T", "jsonraw", "-j", "btatt"],
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[bytes] = []
    for frame in json.loads(done.stdout):
        raw = frame["_source"]["layers"]["btatt_raw"]
        # one PDU is a list that begins with its bytes, several are a list of those
        found.extend(bytes.fromhex(one[0]) for one in (raw if isinstance(raw[0], list) else [raw]))
    return found


def per_handle(path: Path) -> Counter[int]:
    """Notifications, by tshark's own reading of their handles."""
    assert TSHARK is not None
    done = subprocess.run(
        [TSHARK, "-r", path, "-Y", "btatt.opcode == 0x1b", "-T", "fields", "-e", "btatt.handle"],
        capture_output=True,
        text=True,
        check=True,
    )
    # handles that tshark infers stand behind that of the PDU
    return Counter(int(line.split(",")[0], 16) for line in done.stdout.splitlines())
