"""Keys at rest: AES-256-GCM, so that a copy of a database or a backup tells nobody a LoRaWAN key.

The rule: what is sealed is bound to what it is of (`about`), so that no sealed key can be put in another's place, and a
text that was stored before there was a seal is read as it is and sealed when it is written next. The secret comes from
KLIMANETZ_SECRET; without it, beside an SQLite registry, from a file that is made once and only its owner may read.
"""

import base64
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from klimanetz.failure import Failure, wrong_use

PREFIX = "sealed1:"
NONCE = 12  # bytes, drawn anew for each text (NIST SP 800-38D, section 8.2.2)


class Seal:
    """One secret."""

    def __init__(self, secret: str) -> None:
        derived = HKDF(hashes.SHA256(), 32, salt=None, info=b"klimanetz keys at rest").derive(secret.encode())
        self._cipher = AESGCM(derived)

    def seal(self, text: str, about: str) -> str:
        """The text, sealed; `about` has to be the same when it is opened."""
        nonce = secrets.token_bytes(NONCE)
        return PREFIX + base64.b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), about.encode())).decode()

    def open(self, sealed: str, about: str) -> str:
        """The text. Raises Failure where the secret is another one."""
        if not sealed.startswith(PREFIX):
            return sealed
        raw = base64.b64decode(sealed.removeprefix(PREFIX))
        try:
            return self._cipher.decrypt(raw[:NONCE], raw[NONCE:], about.encode()).decode()
        except InvalidTag:
            raise Failure(
                f"the keys of {about} were sealed with another secret: set KLIMANETZ_SECRET to the one that was there "
                "when they were stored"
            ) from None


def of(secret: str | None, registry: str) -> Seal:
    """The seal of a setting, or of the file beside an SQLite registry. Raises Failure."""
    if secret:
        return Seal(secret)
    if not registry.startswith("sqlite:///"):
        raise wrong_use(
            "KLIMANETZ_SECRET is not set, and with PostgreSQL it seals the devices' keys: set it to the output of "
            "`openssl rand -hex 32`, the same for every service"
        )
    return Seal(_of_file(Path(registry.removeprefix("sqlite:///") + ".key")))


def _of_file(path: Path) -> str:
    """What the file says; made by the first who asks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(new, path)  # the first one counts, whole
        except FileExistsError:
            pass
        finally:
            new.unlink()
    return path.read_text().strip()
