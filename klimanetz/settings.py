"""Settings: environment `KLIMANETZ_…` first, then `klimanetz.toml` in the working folder, then the defaults here.

An unknown or bad setting stops the program at the start with its name and what is allowed. Any setting may come from
a file instead (`KLIMANETZ_INFLUX_TOKEN_FILE=/run/secrets/…`), so that secrets stay out of the environment; which file
that was is kept, for those that change while we run.
"""

import ipaddress
import logging
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from cloud.mqtt import MqttUrl, MqttUrlError, parse_mqtt_url
from schemas.channels import is_name

PREFIX = "KLIMANETZ_"
TOML = "klimanetz.toml"


class SettingError(Exception):
    """A setting is unknown or wrong; the message names it and says what is allowed."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, parsed. The names are those of the environment, lower case."""

    mqtt_url: MqttUrl
    mqtt_share: str | None  # group of shared subscriptions; None where the broker has none
    store: str
    influx_token: str | None = field(repr=False)
    registry: str = field(repr=False)  # a PostgreSQL URL has a password
    secret: str | None = field(repr=False)  # seals devices' keys
    udp_listen: Listen
    gateways: dict[str, str | None] | None  # EUI -> address it must come from; None: any gateway
    channels: Path | None  # table of the names that other networks' decoders give (docs/networks.md)
    http_listen: Listen
    spool: Path
    retention_days: int | None  # of readings in the store; None: for ever
    spool_readings: int  # kept at most by a gateway while the cloud has not stored them
    instance: str
    api_url: str | None
    api_key: str | None = field(repr=False)
    imprint_url: str | None  # these three stand at the foot of every page
    privacy_url: str | None
    accessibility_url: str | None
    log: int
    files: Mapping[str, Path]  # of the settings that come from a file of their own


def load(environment: Mapping[str, str], folder: Path) -> Settings:
    """Raises SettingError."""
    files: dict[str, Path] = {}
    texts = _from_toml(folder / TOML, files) | _from_environment(environment, files)
    values = {}
    for name, (default, parse) in _RULES.items():
        origin, text = texts.get(name, ("the default", default(folder)))
        try:
            values[name] = parse(text) if text is not None else None
        except ValueError as error:
            raise SettingError(f"{origin} is '{_shown(name, text)}': {error}") from None
    return Settings(**values, files=files)  # type: ignore[arg-type]


def reread(settings: Settings, name: str) -> str | None:
    """A setting as its file has it now; as it was at the start where it has none or that cannot be read."""
    path = settings.files.get(name)
    try:
        text = path.read_text("utf-8").strip() if path else ""
    except (OSError, UnicodeDecodeError):  # it is being changed just now
        text = ""
    return text or getattr(settings, name)


Texts = dict[str, tuple[str, str | None]]


def _from_environment(environment: Mapping[str, str], files: dict[str, Path]) -> Texts:
    texts: Texts = {}
    for key, text in sorted(environment.items()):
        if not key.startswith(PREFIX) or key.startswith(PREFIX + "TEST_"):
            continue
        name = key.removeprefix(PREFIX).lower()
        if name.endswith("_file") and name.removesuffix("_file") in _RULES:
            texts[name.removesuffix("_file")] = (key, _read(key, text))
            files[name.removesuffix("_file")] = Path(text)
        elif name in _RULES:
            texts[name] = (key, text)
            files.pop(name, None)
        else:
            raise SettingError(f"{key} is not a setting; there are {_allowed(PREFIX, str.upper)}")
    return texts


def _from_toml(path: Path, files: dict[str, Path]) -> Texts:
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path} is not TOML: {error}") from None
    texts: Texts = {}
    for name, value in table.items():
        if name.endswith("_file") and name.removesuffix("_file") in _RULES:
            texts[name.removesuffix("_file")] = (f"{name} in {path.name}", _read(name, str(value)))
            files[name.removesuffix("_file")] = Path(str(value))
        elif name in _RULES and isinstance(value, str | int) and not isinstance(value, bool):
            texts[name] = (f"{name} in {path.name}", str(value))
            files.pop(name, None)
        elif name in _RULES:
            raise SettingError(f"{name} in {path} must be a text")
        else:
            raise SettingError(f"'{name}' in {path} is not a setting; there are {_allowed('', str.lower)}")
    return texts


def _read(key: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except OSError as error:
        raise SettingError(f"{key} names {path}, which cannot be read: {error.strerror}") from None


def _allowed(prefix: str, case: Callable[[str], str]) -> str:
    return ", ".join(prefix + case(name) for name in _RULES)


def _shown(name: str, text: str | None) -> str:
    """The value as it may be printed: no password, no token."""
    if name in ("influx_token", "api_key", "secret"):
        return "…"
    return re.sub(r"://.*@", "://…@", text or "")


def _mqtt(text: str) -> MqttUrl:
    try:
        return parse_mqtt_url(text)
    except MqttUrlError as error:
        raise ValueError(str(error)) from None


def _store(text: str) -> str:
    if not re.fullmatch(r"sqlite:////?[^/].*|influxdbs?://[^/]+/[^/]+/[^/]+", text):
        raise ValueError("use sqlite:////var/lib/klimanetz/series.db or influxdb://host:8086/ORG/BUCKET")
    return text


def _registry(text: str) -> str:
    if not re.fullmatch(r"sqlite:////?[^/].*|postgresql://.+", text):
        raise ValueError("use sqlite:////var/lib/klimanetz/registry.db or postgresql://user:password@host/name")
    return text


def _listen(text: str) -> Listen:
    host, colon, port = text.rpartition(":")
    host = host.strip("[]")
    if not colon or not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise ValueError("use address:port, like 0.0.0.0:1700")
    return Listen(host, int(port))


def _gateways(text: str) -> dict[str, str | None] | None:
    if text.strip().lower() == "any":
        return None
    heard: dict[str, str | None] = {}
    for entry in filter(None, re.split(r"[,\s]+", text)):
        eui, _, address = entry.lower().partition("@")
        if not re.fullmatch(r"[0-9a-f]{16}", eui):
            raise ValueError("use `any`, or EUIs of 16 hexadecimal digits, each with its address if you like: eui@ip")
        try:
            heard[eui] = str(ipaddress.ip_address(address)) if address else None
        except ValueError:
            raise ValueError(f"'{address}' is not an IP address; use eui@192.0.2.7") from None
    if not heard:
        raise ValueError("use `any` or at least one EUI")
    return heard


def _instance(text: str) -> str:
    if not is_name(text):
        raise ValueError("use 1 to 64 of A-Z a-z 0-9 . _ - and a letter or digit first")
    return text


def _share(text: str) -> str | None:
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise ValueError("use letters and digits, or nothing for a broker without shared subscriptions")
    return text or None


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^/\s]+(/\S*)?", text):
        raise ValueError("use http://host:8000 or https://host")
    return text.rstrip("/")


def _readings(text: str) -> int:
    if not text.isdecimal() or not 1000 <= int(text) <= 1_000_000_000:
        raise ValueError("use a number from 1000 to 1000000000; 400 stations at 15 minutes make 1152000 in 30 days")
    return int(text)


def _days(text: str) -> int:
    if not text.isdecimal() or not 31 <= int(text) <= 36_500:
        raise ValueError("use a number of days from 31 to 36500, or leave it out to keep readings for ever")
    return int(text)


def _page(text: str) -> str:
    if not re.fullmatch(r"(https?://[^/\s]+)?/\S*|https?://[^/\s]+", text) or text.startswith("//"):
        raise ValueError("use https://www.example.org/impressum, or /impressum for an address on the same host")
    return text


def _log(text: str) -> int:
    levels = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
    if text.lower() not in levels:
        raise ValueError(f"use {', '.join(levels)}")
    return levels[text.lower()]


def _filled(text: str) -> str:
    if not text:
        raise ValueError("it is empty")
    return text


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise ValueError("there is no such file; name a CSV file, see docs/networks.md")
    return Path(text)


def _secret(text: str) -> str:
    if len(text) < 16:
        raise ValueError("it is too short to keep a secret; use the output of `openssl rand -hex 32`")
    return text


def _fixed(text: str | None) -> Callable[[Path], str | None]:
    return lambda folder: text


def _in_data(name: str, scheme: str = "") -> Callable[[Path], str | None]:
    return lambda folder: f"{scheme}{folder.absolute() / 'data' / name}"


_RULES: dict[str, tuple[Callable[[Path], str | None], Callable[[str], object]]] = {
    "mqtt_url": (_fixed("mqtt://127.0.0.1:1883"), _mqtt),
    "mqtt_share": (_fixed(""), _share),
    "store": (_in_data("series.db", "sqlite:///"), _store),
    "influx_token": (_fixed(None), _filled),
    "registry": (_in_data("registry.db", "sqlite:///"), _registry),
    "secret": (_fixed(None), _secret),
    "udp_listen": (_fixed("127.0.0.1:1700"), _listen),
    "gateways": (_fixed("any"), _gateways),
    "channels": (_fixed(None), _file),
    "http_listen": (_fixed("127.0.0.1:8000"), _listen),
    "spool": (_in_data("spool"), Path),
    "retention_days": (_fixed(None), _days),
    "spool_readings": (_fixed("1152000"), _readings),
    "instance": (_fixed(None), _instance),
    "api_url": (_fixed(None), _url),
    "api_key": (_fixed(None), _filled),
    "imprint_url": (_fixed(None), _page),
    "privacy_url": (_fixed(None), _page),
    "accessibility_url": (_fixed(None), _page),
    "log": (_fixed("info"), _log),
}
assert set(_RULES) == {field.name for field in fields(Settings)} - {"files"}
