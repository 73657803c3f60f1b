"""The store of readings: one contract (`model`), kept by SQLite (embedded) and InfluxDB 2 (production).

`open_store` is the only place that knows both. Nothing is asked of the server until the first call, so a
service starts while its database is still down.
"""

import re
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from cloud.store.influx import InfluxStore
from cloud.store.influx_http import InfluxConnection
from cloud.store.model import (
    NOT_JUDGED,
    Before,
    Latest,
    Point,
    PointKey,
    PointsRejected,
    Store,
    StoreRefused,
    StoreUnavailable,
    StoreUrlError,
    Value,
)
from cloud.store.sqlite import SqliteStore

__all__ = [
    "NOT_JUDGED",
    "Before",
    "Latest",
    "Point",
    "PointKey",
    "PointsRejected",
    "Store",
    "StoreRefused",
    "StoreUnavailable",
    "StoreUrlError",
    "Value",
    "open_store",
]

_ALLOWED = "a store is sqlite:////absolute/path.db, influxdb://host:8086/ORG/BUCKET or influxdbs://… (https)"


def open_store(url: str, token: str | Callable[[], str] | None = None) -> Store:
    """The store that the setting names; a token that may change is something to call.

    Raises StoreUrlError, and for a file also StoreRefused and StoreUnavailable.
    """
    if url.startswith("sqlite:"):
        return SqliteStore(_sqlite_path(url))
    if url.startswith(("influxdb://", "influxdbs://")):
        return InfluxStore(_influx_connection(url, token))
    raise StoreUrlError(f"'{_without_password(url)}' names no store: {_ALLOWED}")


def _sqlite_path(url: str) -> str:
    path = url.removeprefix("sqlite:///")
    if path == url or not path or path == ":memory:" or path.endswith("/"):
        raise StoreUrlError(f"'{url}' names no file: {_ALLOWED}")
    return path


def _influx_connection(url: str, token: str | Callable[[], str] | None) -> InfluxConnection:
    try:
        parts = urlsplit(url)
        port = parts.port or 8086
    except ValueError:
        raise StoreUrlError(f"'{_without_password(url)}' has a port that is none: {_ALLOWED}") from None
    org, slash, bucket = (unquote(part) for part in parts.path.removeprefix("/").partition("/"))
    if parts.username is not None:
        raise StoreUrlError(f"the token does not go into the URL: set KLIMANETZ_INFLUX_TOKEN; {_ALLOWED}")
    if not parts.hostname or not org or not slash or not bucket or parts.query or parts.fragment:
        raise StoreUrlError(f"'{url}' lacks a host, an organisation or a bucket: {_ALLOWED}")
    if not token:
        raise StoreUrlError(f"'{url}' needs a token: set KLIMANETZ_INFLUX_TOKEN or KLIMANETZ_INFLUX_TOKEN_FILE")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    scheme = "https" if parts.scheme == "influxdbs" else "http"
    read = token if callable(token) else lambda: token
    return InfluxConnection(f"{scheme}://{host}:{port}", org, bucket, lambda: read().strip())


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", url)
