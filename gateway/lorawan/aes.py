"""AES for CPython from `cryptography`, in the shape that `edge.crypto` asks for, with OpenSSL's own CMAC.

The rule: key schedules are made once. `aes(key)` keeps the objects of the keys used last, so a frame of a known
device costs one CMAC copy and one ECB call. Neither changes the kept state, so frames may be opened in any order.
"""

from functools import lru_cache

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

KEYS_KEPT = 16384  # two a device


class Aes:
    """AES-128 with one key: `ecb`, `ecb_decrypt` (whole blocks) and `cmac` (any message -> 16 bytes)."""

    __slots__ = ("_cipher", "_cmac", "ecb")

    def __init__(self, key: bytes) -> None:
        if len(key) != 16:
            raise ValueError(f"an AES-128 key has 16 bytes, this one has {len(key)}")
        algorithm = algorithms.AES(key)
        self._cipher = Cipher(algorithm, modes.ECB())
        self._cmac = CMAC(algorithm)
        self.ecb = self._cipher.encryptor().update

    def cmac(self, message: bytes) -> bytes:
        """AES-CMAC of the message."""
        context = self._cmac.copy()
        context.update(message)
        return context.finalize()

    def ecb_decrypt(self, blocks: bytes) -> bytes:
        """Whole blocks, decrypted."""
        return self._cipher.decryptor().update(blocks)


aes = lru_cache(maxsize=KEYS_KEPT)(Aes)
