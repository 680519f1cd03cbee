"""The keys of a conversation that is only heard. Source: transport-and-data.md §2.5, §4.4.

They are made of the user id, which a login shows in clear, and the watch's address.
"""

from protocols.fitcloud.cipher import Cipher
from protocols.fitcloud.frame import FLAG_ENCRYPTED, HEADER_SIZE, decode_header
from protocols.fitcloud.messages.auth import USER_ID_BYTES
from protocols.fitcloud.receiver import Receiver


class Keys:
    """Gives both sides' receivers their cipher at the first frame that needs it."""

    def __init__(self, watch: Receiver, host: Receiver) -> None:
        self.address: str | None = None
        self._watch = watch
        self._host = host
        self._user_id: str | None = None
        self._host_cipher: _HostCipher | None = None

    def identified(self, value: bytes) -> None:
        """The value of a login or a bind, which are never encrypted."""
        user_id = value[:USER_ID_BYTES].rstrip(b"\0")
        if user_id.isascii() and user_id.decode("ascii") != self._user_id:
            self._user_id = user_id.decode("ascii")
            self._watch.cipher = self._host.cipher = self._host_cipher = None

    def before(self, data: bytes, *, to_watch: bool) -> None:
        """The next value, before its receiver gets it."""
        if self._host_cipher is None:
            self._unlock(data)
        if to_watch and self._host_cipher is not None and not self._host.collecting:
            self._host_cipher.chunk_size = max(HEADER_SIZE + 1, len(data))

    def _unlock(self, data: bytes) -> None:
        if self._user_id is None or self.address is None:
            return
        header = decode_header(data)
        if header is not None and header.flags & FLAG_ENCRYPTED:
            self._watch.cipher = Cipher(self._user_id, self.address)
            self._host.cipher = self._host_cipher = _HostCipher(self._user_id, self.address)


class _HostCipher(Cipher):
    """The host's half: its keystream begins anew with each write, and the size of the first one
    shows where."""

    chunk_size = HEADER_SIZE + 1

    def decrypt(self, body: bytes, sequence: int) -> bytes:
        return self.encrypt(body, sequence, self.chunk_size)
