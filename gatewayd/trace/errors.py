"""What can be wrong with a trace."""

from gatewayd.errors import GatewayError


class TraceError(GatewayError):
    """The file is no trace that can be read, or stops being one: truncated, corrupt, wrong type.

    What was readable before has been delivered.
    """

    exit_code = 65


class TraceUnavailable(GatewayError):
    """The file itself cannot be read: missing, a directory, an error of the disk."""

    exit_code = 74
