"""What the kit's manual says, done: its files written, its commands run, its output compared."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import protocols.testing
from tests.integration.trace.captures import capture

MANUAL = Path(protocols.testing.__file__).parent / "README.md"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLUGINS = "protocols.testing.plugin,gatewayd.testing.plugin"


class Block(NamedTuple):
    """A block of code: of some language, and where the manual says so, the content of a file."""

    language: str
    file: str | None
    text: str


class Command(NamedTuple):
    """A command, and the lines of its output that the manual shows; `…` is anything."""

    line: str
    shown: list[str]


def blocks() -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(MANUAL.read_text("utf-8"))]


def commands(console: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        line, *shown = part.splitlines()
        yield Command(line, shown)


def lacks(output: str, shown: list[str]) -> str | None:
    """The first line of these that the output does not have, in this order."""
    left = iter(output.splitlines())
    for line in shown:
        wanted = ".*".join(re.escape(part.strip(" ")) for part in line.split("…"))
        if not any(re.fullmatch(wanted, one.strip()) for one in left):
            return line
    return None


def environment() -> dict[str, str]:
    """Where a reader is who has installed the gateway; no path of this checkout's tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    programs = Path(sys.executable).parent
    return kept | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        # an environment that was installed before the plug-ins were declared has them, too
        "PYTEST_PLUGINS": PLUGINS,
        "COLUMNS": "300",
        "PYTHONUTF8": "1",
        "NO_COLOR": "1",
    }


@pytest.fixture(scope="module")
def btsnoop() -> bytes:
    """The virtual watch, bound and synchronised over Bumble, and captured there."""
    return capture(days=1).btsnoop


def test_the_worked_example_works(btsnoop: bytes, tmp_path: Path) -> None:
    (tmp_path / "watch.btsnoop").write_bytes(btsnoop)
    ran = 0
    for block in blocks():
        if block.language == "console":
            for command in commands(block.text):
                done = subprocess.run(
                    ["/bin/sh", "-c", f"{command.line} 2>&1"],
                    cwd=tmp_path,
                    env=environment(),
                    capture_output=True,
                    text=True,
                    check=False,
                )
                missing = lacks(done.stdout, command.shown)
                assert missing is None, f"$ {command.line}\n{done.stdout}\nlacks: {missing}"
                ran += 1
        elif block.file:
            target = tmp_path / block.file
            target.parent.mkdir(exist_ok=True)
            target.write_text(block.text, "utf-8")
    assert ran >= 10


def test_every_file_of_the_manual_has_a_name_and_every_command_its_output() -> None:
    found = blocks()
    assert all(block.file for block in found if block.language in {"python", "json"})
    shown = [
        command
        for block in found
        if block.language == "console"
        for command in commands(block.text)
    ]
    assert all(command.shown for command in shown)


def test_output_that_the_manual_does_not_show_is_noticed() -> None:
    assert lacks("a\nb 1 c\nd", ["a", "b … c"]) is None
    assert lacks("a\nb 1 c\nd", ["b … d"]) == "b … d"
    assert lacks("a\nb", ["b", "a"]) == "a"


def test_every_fixture_of_the_plug_ins_is_in_the_manual(tmp_path: Path) -> None:
    text = MANUAL.read_text("utf-8")
    (tmp_path / "test_it.py").write_text("def test_it(): pass")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--fixtures"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    ours = re.findall(
        r"^(\w+)(?: \[\w+ scope\])? -- .*(?:protocols|gatewayd)/testing/plugin",
        done.stdout,
        re.MULTILINE,
    )
    assert len(ours) >= 11, done.stdout
    assert [name for name in ours if f"`{name}`" not in text] == []
