"""The words by which pytest is asked for what this kit adds."""

from typing import Final

UPDATE: Final = "--update-golden"
CONFORMANCE: Final = "--protocol-conformance"
CONFORMANCE_MARK: Final = "protocol_conformance"
