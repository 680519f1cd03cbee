"""TOML tables read strictly: every finding is kept, with the line that it stands on.

A `Table` hands out values by key and type. What is missing, of another type or out of range becomes
a `Problem` and the default is handed out instead, so that one reading finds everything.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Final, TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]

_HEADER: Final = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY: Final = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"))*)\s*=""")


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding, as its owner is told: file, line if known, key, what is wrong."""

    source: Path
    line: int | None
    path: KeyPath
    message: str

    def __str__(self) -> str:
        where = f"{self.source}" if self.line is None else f"{self.source}:{self.line}"
        return ": ".join(filter(None, (where, spell(self.path), self.message)))


@dataclass(slots=True)
class Findings:
    """All problems of one file."""

    source: Path
    lines: Mapping[KeyPath, int]
    problems: list[Problem] = field(default_factory=list)

    def add(self, path: KeyPath, message: str) -> None:
        """Note a problem at a key; its line is that of the nearest key around it."""
        line = next(
            (self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines),
            None,
        )
        self.problems.append(Problem(self.source, line, path, message))


class Table:
    """A cursor over one table. `close()` reports the keys that nobody asked for."""

    def __init__(self, values: Mapping[str, object], path: KeyPath, findings: Findings) -> None:
        self._values = values
        self._path = path
        self._findings = findings
        self._known: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._values

    @property
    def given(self) -> bool:
        """Whether the file says anything here."""
        return bool(self._values)

    def problem(self, key: str | None, message: str) -> None:
        """Note a problem at a key of this table, or at the table itself."""
        self._findings.add(self._path if key is None else (*self._path, key), message)

    def text(self, key: str, *, pattern: str = ".+", hint: str = "text") -> str | None:
        """A string that matches `pattern` as a whole, which `hint` puts in the owner's words;
        None if absent."""
        value = self._string(key)
        if value is not None and not re.fullmatch(pattern, value):
            self.problem(key, f"{_quote(value)} is not {hint}")
            return None
        return value

    def secret(self, key: str) -> str | None:
        """A string that no message repeats; None if absent."""
        value = self._string(key)
        if value == "":
            self.problem(key, "is empty")
            return None
        return value

    def choice(self, key: str, choices: Collection[str], *, default: str) -> str:
        """One of `choices`."""
        value = self._string(key)
        if value is None:
            return default
        if value not in choices:
            self._not_among(key, value, choices)
            return default
        return value

    def required_text(self, key: str, *, pattern: str, hint: str) -> str | None:
        """As `text`, and its absence is a problem."""
        if key not in self._values:
            self._known.append(key)
            self.problem(None, f"lacks {_quote(key)}: {hint}")
            return None
        return self.text(key, pattern=pattern, hint=hint)

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.problem(key, f"must be true or false, not {_name(value)}")
            return default
        return value

    def integer(self, key: str, *, default: int, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        value = self._get(key)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool):
            self.problem(key, f"must be a whole number, not {_name(value)}")
        elif not low <= value <= high:
            self.problem(key, f"{value} is out of range ({low} to {high})")
        else:
            return value
        return default

    def number(self, key: str, *, default: float, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        value = self._get(key)
        if value is None:
            return default
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.problem(key, f"must be a number, not {_name(value)}")
        elif not low <= value <= high:
            self.problem(key, f"{value} is out of range ({low:g} to {high:g})")
        else:
            return float(value)
        return default

    def path(self, key: str) -> Path | None:
        """A file's path; `~` is expanded, and a relative one starts at the configuration file."""
        text = self.text(key)
        if text is None:
            return None
        return self._findings.source.parent / Path(text).expanduser()

    def words(self, key: str, *, choices: Collection[str]) -> tuple[str, ...] | None:
        """A list of words out of `choices`; None if absent or unusable."""
        value = self._get(key)
        if value is None:
            return None
        if not isinstance(value, list):
            self.problem(key, f"must be a list, not {_name(value)}")
            return None
        found: list[str] = []
        for word in value:
            if not isinstance(word, str):
                self.problem(key, f"must hold only text in quotes, not {_name(word)}")
            elif word not in choices:
                self._not_among(key, word, choices)
            else:
                found.append(word)
        return tuple(found)

    def table(self, key: str) -> "Table":
        """A table inside; an empty one if absent."""
        value = self._get(key)
        if value is not None and not isinstance(value, dict):
            self.problem(key, f"must be a table, not {_name(value)}")
        inside = value if isinstance(value, dict) else {}
        return Table(inside, (*self._path, key), self._findings)

    def tables(self, key: str) -> "Sequence[Table]":
        """An array of tables; none if absent."""
        value = self._get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.problem(key, f"must be written as [[{key}]], once for each")
            return ()
        return [
            Table(item, (*self._path, key, number), self._findings)
            for number, item in enumerate(value)
        ]

    def close(self) -> None:
        """Report keys that mean nothing."""
        for key in self._values:
            if key not in self._known:
                self.problem(key, f"unknown key{near(key, self._known)}")

    def _not_among(self, key: str, word: str, choices: Collection[str]) -> None:
        listed = ", ".join(choices)
        self.problem(key, f"{_quote(word)} is not one of {listed}{near(word, choices)}")

    def _string(self, key: str) -> str | None:
        value = self._get(key)
        if value is not None and not isinstance(value, str):
            self.problem(key, f"must be text in quotes, not {_name(value)}")
            return None
        return value

    def _get(self, key: str) -> object:
        self._known.append(key)
        return self._values.get(key)


def near(word: str, choices: Collection[str]) -> str:
    """`; did you mean "x"?`, or nothing if no choice resembles the word."""
    spelling = {choice.lower(): choice for choice in choices}
    found = get_close_matches(word.lower(), list(spelling), n=1, cutoff=0.6)
    return f"; did you mean {_quote(spelling[found[0]])}?" if found else ""


def spell(path: KeyPath) -> str:
    """`devices[1].collect`; counted from 1, as a reader of the file counts."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def line_numbers(text: str) -> dict[KeyPath, int]:
    """Where each table and key of a TOML text begins. Keys inside inline tables are not listed."""
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    prefix: KeyPath = ()
    fence: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if fence is not None:
            fence = None if fence in line else fence
            continue
        if header := _HEADER.match(line):
            prefix = _parts(header[2])
            if header[1] == "[[":
                counts[prefix] = counts.get(prefix, -1) + 1
                prefix = (*prefix, counts[prefix])
            elif prefix[:1] in counts:  # [devices.profile] belongs to the last [[devices]]
                prefix = (prefix[0], counts[prefix[:1]], *prefix[1:])
            lines.setdefault(prefix, number)
        elif key := _KEY.match(line):
            lines.setdefault((*prefix, *_parts(key[1])), number)
            value = line[key.end() :]
            fence = next((f for f in ('"""', "'''") if value.count(f) == 1), None)
    return lines


def _parts(dotted: str) -> KeyPath:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _quote(text: str) -> str:
    return f'"{text}"'


def _name(value: object) -> str:
    names: dict[type, str] = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a table",
    }
    return names.get(type(value), "a date or time")
