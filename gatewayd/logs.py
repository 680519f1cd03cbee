"""Logs: events with facts, one a line, on standard error. No personal content.

JSON for machines, text on a terminal; in the journal a priority in front and no time of ours. What
looks like a Bluetooth address is shortened, bytes are counted instead of shown, text is cut to a
limit: whatever a peer sends passes through here before it is written.
"""

import logging
import os
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import FilteringBoundLogger, WrappedLogger

from gatewayd.config_models import LogConfig

EventDict = MutableMapping[str, Any]

MAX_VALUE_CHARACTERS: Final = 500
MAX_TRACEBACK_CHARACTERS: Final = 20_000

_ADDRESS: Final = re.compile(
    r"\b(?:dev_)?(?:[0-9A-Fa-f]{2}([:_-]))(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}\b"
)
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""Level to syslog priority, as sd-daemon(3) has them."""


def get_logger(**facts: object) -> FilteringBoundLogger:
    """A logger, with facts that all its lines carry. May be called before `configure`."""
    logger: FilteringBoundLogger = structlog.get_logger(**facts)
    return logger


def configure(
    config: LogConfig,
    *,
    user_id: str | None = None,
    stream: TextIO = sys.stderr,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Set up our own logs, and those of libraries from WARNING up. `user_id` is never written."""
    journal = in_journal(stream, environ)
    console = config.format == "console" or (config.format == "auto" and stream.isatty())
    level = _LEVELS[config.level]
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        redaction(user_id),
    ]
    if not journal:
        time_format = "%H:%M:%S" if console else "iso"
        processors.append(structlog.processors.TimeStamper(fmt=time_format, utc=not console))
    if console:
        processors.append(
            structlog.dev.ConsoleRenderer(
                colors=stream.isatty() and "NO_COLOR" not in environ,
                exception_formatter=structlog.dev.plain_traceback,
            )
        )
    else:
        processors.append(structlog.processors.JSONRenderer(ensure_ascii=False))
    if journal:
        processors[-1] = _with_priority(processors[-1])
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    # Never below WARNING: at DEBUG, Bluetooth and MQTT libraries write what they carry.
    logging.basicConfig(handlers=[_Forward()], level=max(level, logging.WARNING), force=True)


def in_journal(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a stream is connected to the journal, by `$JOURNAL_STREAM` (systemd.exec)."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no file behind it, or closed
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def short_address(address: str) -> str:
    """`…EE:FF`: enough to tell one's own watches apart, too little to track them."""
    return f"…{address[-5:].replace('_', ':').replace('-', ':').upper()}"


def redaction(user_id: str | None) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    """A structlog processor that shortens addresses and `user_id` wherever they occur, counts bytes
    instead of showing them, makes control characters visible and cuts long text."""

    def clean(text: str) -> str:
        if user_id:
            text = text.replace(user_id, f"…{user_id[-2:]}")
        return _ADDRESS.sub(lambda found: short_address(found[0]), text)

    def redact(value: object) -> object:
        match value:
            case str():
                return _printable(clean(value))
            case bytes() | bytearray() | memoryview():
                return f"{len(value)} bytes"
            case dict():
                return {_printable(clean(str(key))): redact(inner) for key, inner in value.items()}
            case list() | tuple() | set() | frozenset():
                return [redact(inner) for inner in value]
            case None | bool() | int() | float():
                return value
            case _:
                return _printable(clean(str(value)))

    def process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        for key, value in event.items():
            if key == "exception":  # many lines, of our own making
                event[key] = clean(str(value))[-MAX_TRACEBACK_CHARACTERS:]
            else:
                event[key] = redact(value)
        return event

    return process


def _printable(text: str) -> str:
    if len(text) > MAX_VALUE_CHARACTERS:
        text = f"{text[:MAX_VALUE_CHARACTERS]}…"
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _with_priority(render: structlog.typing.Processor) -> structlog.typing.Processor:
    def process(logger: WrappedLogger, method: str, event: EventDict) -> str:
        priority = _PRIORITIES[event["level"]]
        return "\n".join(
            f"<{priority}>{line}" for line in str(render(logger, method, event)).split("\n")
        )

    return process


class _Forward(logging.Handler):
    """What libraries say, in our form."""

    def __init__(self) -> None:
        super().__init__()
        self._log = get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # their format does not fit their arguments
            text = str(record.msg)
        self._log.log(record.levelno, text, library=record.name, exc_info=record.exc_info)
