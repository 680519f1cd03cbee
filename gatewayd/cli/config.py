"""`gatewayd config check` and `gatewayd config show`."""

import json
from argparse import ArgumentParser, Namespace
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from gatewayd.config import Config

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value]"

MASK: Final = "***"


def configure(parser: ArgumentParser) -> None:
    """Arguments."""
    actions = parser.add_subparsers(required=True, metavar="check | show")
    check = actions.add_parser("check", help="find every fault in the file")
    check.set_defaults(execute=execute_check)
    show = actions.add_parser(
        "show", help="print what is in force, with secrets masked: fit for a bug report"
    )
    show.add_argument("--json", action="store_true", help="as one JSON object")
    show.set_defaults(execute=execute_show)
    for action in (check, show):
        action.add_argument("--config", type=Path, metavar="FILE", help="the configuration file")


def execute_check(options: Namespace) -> int:
    """Say that the file is good; raises ConfigError with everything that is not."""
    from gatewayd.config import load

    config = load(options.config)
    count = len(config.devices)
    print(f"{config.source}: good, with {count} {'device' if count == 1 else 'devices'}")
    return 0


def execute_show(options: Namespace) -> int:
    """Print the configuration with all defaults filled in."""
    from gatewayd.config import load

    config = load(options.config)
    values = masked(config)
    if options.json:
        print(json.dumps(values))
    else:
        print(f"# {config.source}")
        print("\n".join(_toml(values)))
    return 0


def masked(config: "Config") -> dict[str, Value]:
    """The configuration as plain values, without what is unset. What its `repr` hides, secrets and
    the wearer's profile, is masked, and addresses are shortened."""
    values = _plain(config)
    if not isinstance(values, dict):
        raise TypeError("a configuration is a table")
    values.pop("source", None)
    return values


def _plain(value: object) -> Value:
    if is_dataclass(value) and not isinstance(value, type):
        return {
            item.name: _entry(item.name, getattr(value, item.name), shown=item.repr)
            for item in fields(value)
            if getattr(value, item.name) is not None
        }
    if isinstance(value, frozenset):
        return [*sorted(map(str, value))]
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return str(value.value)
    return value if isinstance(value, bool | int | float | str) else str(value)


def _entry(name: str, value: object, *, shown: bool) -> Value:
    if not shown:
        return MASK
    if name == "address":
        return f"…{str(value)[-5:]}"
    return _plain(value)


def _toml(values: dict[str, Value], header: str = "") -> list[str]:
    """Scalars first, then the tables: a TOML text's own order."""
    lines: list[str] = [header] if header else []
    for key, value in values.items():
        if not _is_table(value):
            # A JSON string or list of strings is a TOML one too.
            lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
    for key, value in values.items():
        if isinstance(value, dict):
            lines += ["", *_toml(value, f"[{key}]")]
        elif isinstance(value, list) and _is_table(value):
            for item in value:
                if isinstance(item, dict):
                    lines += ["", *_toml(item, f"[[{key}]]")]
    return lines


def _is_table(value: Value) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
    )
