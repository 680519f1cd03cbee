"""AES-256 encryption of one block (FIPS 197), for the keystream of encrypted mode.

The packages in this tree use the standard library only, which has no AES, and one block a frame is
all that the mode needs. It is not used to keep anything secret (see `cipher`): table look-ups that
leak timing are of no concern. Checked against FIPS 197 and an independent implementation.
"""

from typing import Final

BLOCK_SIZE: Final = 16
_ROUNDS: Final = 14


def _double(value: int) -> int:
    return ((value << 1) ^ 0x11B) & 0xFF if value & 0x80 else value << 1


def _substitution_box() -> bytes:
    box = bytearray(256)
    power = inverse = 1
    while True:
        power ^= _double(power)  # times 3, a generator of the field
        inverse ^= inverse << 1  # divided by 3
        inverse ^= inverse << 2
        inverse ^= inverse << 4
        inverse &= 0xFF
        if inverse & 0x80:
            inverse ^= 0x09
        rotated = inverse | inverse << 8
        box[power] = (
            inverse ^ (rotated >> 7) ^ (rotated >> 6) ^ (rotated >> 5) ^ (rotated >> 4) ^ 0x63
        ) & 0xFF
        if power == 1:
            break
    box[0] = 0x63
    return bytes(box)


_BOX: Final = _substitution_box()


def _expand(key: bytes) -> list[bytes]:
    words = [key[i : i + 4] for i in range(0, 32, 4)]
    constant = 1
    for i in range(8, 4 * (_ROUNDS + 1)):
        word = words[-1]
        if i % 8 == 0:
            word = bytes(_BOX[b] for b in word[1:] + word[:1])
            word = bytes((word[0] ^ constant,)) + word[1:]
            constant = _double(constant)
        elif i % 8 == 4:
            word = bytes(_BOX[b] for b in word)
        words.append(bytes(a ^ b for a, b in zip(words[i - 8], word, strict=True)))
    return [b"".join(words[i : i + 4]) for i in range(0, len(words), 4)]


def _mix(column: bytes) -> bytes:
    total = column[0] ^ column[1] ^ column[2] ^ column[3]
    return bytes(column[i] ^ total ^ _double(column[i] ^ column[(i + 1) % 4]) for i in range(4))


class Aes256:
    """One key, expanded once."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:
            raise ValueError("an AES-256 key has 32 bytes")
        self._round_keys = _expand(key)

    def encrypt(self, block: bytes) -> bytes:
        """The ciphertext of one 16-byte block."""
        if len(block) != BLOCK_SIZE:
            raise ValueError("an AES block has 16 bytes")
        state = bytes(a ^ b for a, b in zip(block, self._round_keys[0], strict=True))
        for number in range(1, _ROUNDS + 1):
            state = bytes(_BOX[state[(i + 4 * (i % 4)) % 16]] for i in range(16))
            if number < _ROUNDS:
                state = b"".join(_mix(state[i : i + 4]) for i in range(0, 16, 4))
            state = bytes(a ^ b for a, b in zip(state, self._round_keys[number], strict=True))
        return state
