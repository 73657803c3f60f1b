#!/usr/bin/env python3
"""Make the secrets that docker-compose.yml reads: tokens, passwords, Mosquitto's password file. Standard library only.

    python deploy/prepare.py                     once, before `docker compose up`
    python deploy/prepare.py device kn-0007      a password for one MQTT device, shown once

What is already there stays. The folder is its owner's alone and is not committed; the files in it are readable by
all, because Compose mounts them as they are and the services in the containers run as other users.
"""

import base64
import hashlib
import os
import re
import secrets
import sys
from pathlib import Path

SERVICES = ("gateway", "ingest", "chirpstack")
ITERATIONS = 101  # mosquitto_passwd's own number for its PBKDF2-SHA512 ($7$)


def hashed(password: str) -> str:
    """A password as Mosquitto 2 keeps it: $7$iterations$salt$hash."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS, 64)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def keep(path: Path, text: str) -> None:
    """Write a secret unless it is there already."""
    if not path.exists():
        path.write_text(text)
        path.chmod(0o644)
        print(f"made {path}")


def add_user(passwords: Path, user: str, password: str) -> None:
    """Add or change one line of Mosquitto's password file."""
    lines = passwords.read_text().splitlines() if passwords.exists() else []
    kept = [line for line in lines if not line.startswith(user + ":")]
    passwords.parent.mkdir(parents=True, exist_ok=True)
    passwords.write_text("\n".join([*kept, f"{user}:{hashed(password)}"]) + "\n")
    passwords.chmod(0o644)


def prepare(folder: Path) -> None:
    """Everything that `docker compose up` needs."""
    hidden = folder / "secrets"
    hidden.mkdir(mode=0o700, parents=True, exist_ok=True)
    keep(hidden / "influx_token", secrets.token_urlsafe(48))
    keep(hidden / "klimanetz_secret", secrets.token_hex(32))
    keep(hidden / "influx_password", secrets.token_urlsafe(24))
    for service in SERVICES:
        url = hidden / f"mqtt_url_{service}"
        if not url.exists():
            password = secrets.token_urlsafe(24)
            keep(url, f"mqtt://{service}:{password}@mosquitto:1883")
            add_user(folder / "mosquitto" / "passwords", service, password)


def device(folder: Path, name: str) -> None:
    """A new password for one device."""
    if name in SERVICES or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        sys.exit(f"'{name}' cannot be a device: 1 to 64 of A-Z a-z 0-9 . _ -, and none of {', '.join(SERVICES)}")
    password = secrets.token_urlsafe(18)
    add_user(folder / "mosquitto" / "passwords", name, password)
    print(f"user name {name}, password {password}\nthen: docker compose kill -s HUP mosquitto")


def main(arguments: list[str]) -> int:
    folder = Path(os.environ.get("DEPLOY_FOLDER", Path(__file__).parent))
    match arguments:
        case []:
            prepare(folder)
        case ["device", name]:
            device(folder, name)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
