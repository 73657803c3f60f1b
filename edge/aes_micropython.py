"""AES on the device: MicroPython's own `cryptolib`, in the shape that `edge.crypto` asks for."""

import cryptolib  # type: ignore[import-not-found, unused-ignore]

_ECB = 1


class Aes:
    """One 16-byte key. `cryptolib` objects encrypt or decrypt, never both, so each way has its own."""

    def __init__(self, key):
        self._key = bytes(key)
        self.ecb = cryptolib.aes(self._key, _ECB).encrypt

    def ecb_decrypt(self, blocks):
        """Whole blocks, decrypted."""
        return cryptolib.aes(self._key, _ECB).decrypt(blocks)


aes = Aes
