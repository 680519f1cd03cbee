"""What can go wrong while speaking a device's protocol.

Two families, told apart by who is to blame: `LocalProtocolError` when the caller asked for
something it may not ask, `RemoteProtocolError` when the device sent something it may not send.
Whatever bytes a device sends, `protocols` raises nothing but `RemoteProtocolError`; any other
exception out of a decoder is a bug of ours.
"""


class ProtocolError(Exception):
    """Root of the tree; never raised itself."""


class LocalProtocolError(ProtocolError):
    """The caller's request cannot be carried out."""


class UnsupportedIntent(LocalProtocolError):
    """The device has no way to do what was asked."""


class LimitExceeded(LocalProtocolError):
    """More was asked than the device holds."""


class WrongState(LocalProtocolError):
    """An input that makes no sense now, such as confirming a receipt that was never issued."""


class RemoteProtocolError(ProtocolError):
    """The device broke the protocol or refused."""


class FrameError(RemoteProtocolError):
    """Bytes that are no frame: bad magic, bad check value, impossible length."""


class MessageError(RemoteProtocolError):
    """A whole frame whose content is truncated, too long or out of range."""


class UnexpectedMessage(RemoteProtocolError):
    """A well-formed message at a moment when it cannot come."""


class DeviceRefused(RemoteProtocolError):
    """The device understood and said no.

    `reason` is a stable word that callers may branch on (`not_bound`, `refused_by_user`,
    `confirmation_timeout`, `reset_required`, `unknown`).
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotThisProtocol(RemoteProtocolError):
    """The peer answers, but speaks another family's language: disconnect and do not retry."""


class SessionTimeout(ProtocolError):
    """The device did not answer in time."""


class LinkClosed(ProtocolError):
    """The link ended, or was ended, before the work was done."""


class Unacknowledged(SessionTimeout):
    """The device did not even acknowledge that bytes arrived."""
