"""The protocol of a verification: everything that was seen, signed, as a file to keep.

The rule: one changed byte and it is no protocol any more. Signed (Ed25519, RFC 8032) is the whole document without the
signature's own value, in the canonical form of RFC 8785, public key and algorithm included; the file itself is in that
form, so no blank can be slipped in either. Who signed is told by the key: initials are only words.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from firmware.bench.trouble import BenchError, WrongUse
from firmware.bench.words import say

FORMAT = "klimanetz-verify-1"
ALGORITHM = "Ed25519 over RFC 8785"


def signing_key(path: Path) -> Ed25519PrivateKey:
    """The technician's key; made once, and for the owner's eyes alone. Raises BenchError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made = Ed25519PrivateKey.generate()
        pem = made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        new = path.with_name(f"{path.name}.{os.getpid()}.new")
        if not path.exists():
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(new, path)  # whoever comes second takes the first one's
            except FileExistsError:
                pass
            finally:
                new.unlink()
        found = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise BenchError(
            say(
                "the signing key %s cannot be used (%s); put its backup back, or move it away: a new one is made",
                "der Signierschlüssel %s ist unbrauchbar (%s); die Sicherung zurücklegen oder ihn wegräumen: dann"
                " entsteht ein neuer", path, error,
            )
        ) from None  # fmt: skip
    if not isinstance(found, Ed25519PrivateKey):
        raise BenchError(say("%s is no Ed25519 key", "%s ist kein Ed25519-Schlüssel", path))
    return found


def public_hex(key: Ed25519PrivateKey) -> str:
    """The public half as a protocol names it."""
    return key.public_key().public_bytes_raw().hex()


def fingerprint(public_key: str) -> str:
    """Short enough to read out: the first 16 hex digits of the key's SHA-256, in fours."""
    digits = hashlib.sha256(bytes.fromhex(public_key)).hexdigest()[:16]
    return " ".join(digits[n : n + 4] for n in range(0, 16, 4))


def signed(protocol: Mapping[str, Any], key: Ed25519PrivateKey) -> bytes:
    """The file."""
    signature = {"algorithm": ALGORITHM, "public_key": public_hex(key)}
    document = {"protocol": {"format": FORMAT, **protocol}, "signature": signature}
    value = key.sign(rfc8785.dumps(document)).hex()
    return _file(document | {"signature": signature | {"value": value}})


def checked(data: bytes, name: str = "") -> dict[str, Any]:
    """The document of a file, if it is as it was signed. Raises WrongUse for what is no protocol, BenchError else."""
    try:
        document = json.loads(data)
        form = document["protocol"]["format"]
        signature = document["signature"]
        public_key, value = bytes.fromhex(signature["public_key"]), bytes.fromhex(signature["value"])
    except (ValueError, KeyError, TypeError):
        raise WrongUse(say("%s is no protocol", "%s ist kein Protokoll", name)) from None
    if form != FORMAT:
        raise WrongUse(say("%s is of a form that is not known here: %s", "%s hat eine unbekannte Form: %s", name, form))
    without = {key: some for key, some in signature.items() if key != "value"}
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(value, rfc8785.dumps(document | {"signature": without}))
        is_whole = _file(document) == data and (public_key.hex(), value.hex()) == (
            signature["public_key"],
            signature["value"],
        )
    except (InvalidSignature, ValueError, TypeError):
        is_whole = False
    if not is_whole:
        raise BenchError(
            say(
                "%s was changed after it was signed; ask for the file as the laptop wrote it",
                "%s wurde nach dem Signieren verändert; die Datei so besorgen, wie der Laptop sie schrieb", name,
            )
        )  # fmt: skip
    return dict(document)


def _file(document: Mapping[str, Any]) -> bytes:
    return rfc8785.dumps(document) + b"\n"
