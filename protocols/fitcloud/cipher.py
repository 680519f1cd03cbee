"""Encrypted mode of L1. Source: transport-and-data.md §2.5; vectors l1-encode-enc-*.

This is obfuscation by the vendor, not security: the key is made from the user id and the address.
A host never asks for it; it answers in it once the watch has used it.
"""

from itertools import cycle, pairwise
from typing import Final

from protocols.fitcloud.aes import Aes256
from protocols.fitcloud.frame import HEADER_SIZE

_PATTERN: Final = bytes.fromhex("4d4a425455aaa55a")
_BLOCK_HEAD: Final = bytes.fromhex("d4eff0d3f4e5f0")
_BLOCK_MARK: Final = b"\xa1"
_ID_BYTES: Final = 28


class Cipher:
    """The keystreams of one user id on one watch. `address` is in display order."""

    def __init__(self, user_id: str, address: str) -> None:
        self._address = bytes.fromhex(address.replace(":", ""))
        identity = user_id.encode()[:_ID_BYTES].ljust(32, b"\0")
        key = bytearray(a ^ b for a, b in zip(identity, cycle(_PATTERN), strict=False))
        for index, byte in enumerate(self._address):
            key[index] ^= byte
        self._aes = Aes256(bytes(key))

    def _keystream(self, sequence: int) -> bytes:
        block = _BLOCK_HEAD + self._address + _BLOCK_MARK + sequence.to_bytes(2, "big")
        return self._aes.encrypt(block)

    def encrypt(self, payload: bytes, sequence: int, chunk_size: int) -> bytes:
        """What a host sends: the keystream starts anew with each write of `chunk_size` bytes, the
        first of which also carries the header."""
        stream = self._keystream(sequence)
        cuts = [0, *range(chunk_size - HEADER_SIZE, len(payload), chunk_size), len(payload)]
        return b"".join(_xor(payload[start:end], stream) for start, end in pairwise(cuts))

    def decrypt(self, body: bytes, sequence: int) -> bytes:
        """What a host receives: one run over the whole payload.

        Unverified on hardware for frames that do not fit one notification.
        """
        return _xor(body, self._keystream(sequence))


def _xor(data: bytes, stream: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(data, cycle(stream), strict=False))
