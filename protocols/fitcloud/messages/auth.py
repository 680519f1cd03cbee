"""Bind, log in, unbind. Source: transport-and-data §4.4; vectors data-connect."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from protocols.codec import Reader, Writer
from protocols.errors import DeviceRefused

IDENTITY_BYTES: Final = 32
USER_ID_BYTES: Final = 28
"""As much of a user id as the identity value holds."""

_BIND_REFUSALS: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        2: ("refused_by_user", "the wearer refused on the watch"),
        3: ("confirmation_timeout", "nobody confirmed on the watch in time"),
        5: ("reset_required", "the watch must be reset, or unbound in its other app, first"),
    }
)
_LOGIN_REFUSALS: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {1: ("not_bound", "the watch is not bound to this user id")}
)


def encode_identity(user_id: str) -> bytes:
    """32 bytes: the user id in UTF-8, cut after 28 bytes (within a character, if need be)."""
    return Writer().padded(user_id.encode()[:USER_ID_BYTES], IDENTITY_BYTES).build()


def encode_login(user_id: str) -> bytes:
    """Value of 03/13."""
    return encode_identity(user_id)


def encode_bind(user_id: str, code: str | None = None) -> bytes:
    """Value of 03/11. Raises LimitExceeded for a pairing code beyond 255 bytes."""
    value = Writer().raw(encode_identity(user_id))
    if code is not None:
        text = code.encode()
        value.u8(len(text)).raw(text)
    return value.build()


def decode_bind_reply(value: bytes) -> None:
    """03/12. Raises DeviceRefused unless bound, MessageError when empty."""
    _accept("bind", Reader(value).u8(), _BIND_REFUSALS)


def decode_login_reply(value: bytes) -> None:
    """03/14. Raises DeviceRefused (`not_bound`: binding may help), MessageError when empty."""
    _accept("login", Reader(value).u8(), _LOGIN_REFUSALS)


def decode_unbind_reply(value: bytes) -> bool:
    """03/16: whether the watch is free now. Raises MessageError when empty."""
    return Reader(value).u8() == 0


def _accept(action: str, status: int, refusals: Mapping[int, tuple[str, str]]) -> None:
    if status:
        reason, words = refusals.get(status, ("unknown", f"the watch answered {status}"))
        raise DeviceRefused(f"{action}: {words}", reason=reason)
