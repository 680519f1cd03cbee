"""Protocols by entry point: whatever is installed, the gateway starts."""

import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

from gatewayd.errors import PluginError
from gatewayd.plugins import PluginStatus, discover, find, ready
from protocols.session import Session, SessionSettings
from protocols.spec import API, ENTRY_POINTS, ProtocolSpec

ROOT = Path(__file__).parents[2]


def no_session(_settings: SessionSettings) -> Session:
    raise AssertionError("no session is opened here")


SPEC = ProtocolSpec("ring", "A ring", lambda _seen: None, no_session, frozenset())


@pytest.fixture
def stranger() -> Iterator[ModuleType]:
    module = ModuleType("stranger_protocols")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def point(name: str, value: str = "stranger_protocols:SPEC") -> EntryPoint:
    return EntryPoint(name, value, ENTRY_POINTS)


def test_a_good_protocol_is_ready(stranger: ModuleType) -> None:
    stranger.SPEC = SPEC
    (record,) = discover([point("ring")])
    assert (record.name, record.status, record.spec) == ("ring", PluginStatus.READY, SPEC)
    assert record.origin == "stranger_protocols"
    assert ready([record]) == (SPEC,)
    assert find("ring", [record]) is SPEC


@pytest.mark.parametrize(
    ("value", "status", "reason"),
    [
        ("no_such_module:SPEC", PluginStatus.BROKEN, "ModuleNotFoundError: No module named"),
        ("stranger_protocols:MISSING", PluginStatus.BROKEN, "AttributeError"),
        ("stranger_protocols:TEXT", PluginStatus.NO_PROTOCOL, "is str, not ProtocolSpec"),
        ("stranger_protocols:OLD", PluginStatus.OTHER_API, f"this is {API}"),
        ("stranger_protocols:RENAMED", PluginStatus.NO_PROTOCOL, "calls itself band, not ring"),
    ],
)
def test_a_bad_one_gets_a_status_and_a_reason(
    stranger: ModuleType, value: str, status: PluginStatus, reason: str
) -> None:
    stranger.TEXT = "text"
    stranger.OLD = replace(SPEC, api=API + 1)
    stranger.RENAMED = replace(SPEC, name="band")
    (record,) = discover([point("ring", value)])
    assert record.status is status
    assert reason in record.reason
    assert record.spec is None
    with pytest.raises(PluginError, match="cannot be used"):
        find("ring", [record])


@pytest.mark.parametrize("error", [RuntimeError("line one\nline two"), SystemExit("bye")])
def test_one_that_raises_while_it_is_imported_does_not_stop_the_others(
    stranger: ModuleType, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    stranger.SPEC = SPEC
    load = EntryPoint.load

    def explode(self: EntryPoint) -> object:
        return _throw(error) if self.name == "bad" else load(self)

    monkeypatch.setattr(EntryPoint, "load", explode)
    bad, good = discover([point("ring"), point("bad")])
    assert bad.status is PluginStatus.BROKEN
    assert "\n" not in bad.reason
    assert good.status is PluginStatus.READY


def _throw(error: BaseException) -> NoReturn:
    raise error


def test_of_two_with_one_name_the_second_is_refused_and_a_broken_one_takes_no_name(
    stranger: ModuleType,
) -> None:
    stranger.SPEC = SPEC
    records = discover([point("ring"), point("ring"), point("ring", "absent_module:SPEC")])
    assert [record.status for record in records] == [
        PluginStatus.BROKEN,
        PluginStatus.READY,
        PluginStatus.DUPLICATE,
    ]
    assert "stranger_protocols" in records[2].reason
    assert find("ring", records) is SPEC


def test_a_name_that_is_not_installed_is_suggested(stranger: ModuleType) -> None:
    stranger.SPEC = SPEC
    records = discover([point("ring")])
    with pytest.raises(PluginError, match=r"no protocol rng\. Did you mean ring\?"):
        find("rng", records)
    with pytest.raises(PluginError, match=r"Installed: ring\."):
        find("zzz", records)


def test_all_protocols_of_this_project_load() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = project["entry-points"][ENTRY_POINTS]
    records = discover(point(name, value) for name, value in declared.items())
    assert [(record.name, record.reason) for record in records] == [
        (name, "") for name in sorted(declared)
    ]
