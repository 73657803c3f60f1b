"""HTTP to InfluxDB 2: keep-alive, gzip, time-outs, and what a status means for whoever called.

Write is POST /api/v2/write (204 is the only success), delete is POST /api/v2/delete, queries are InfluxQL on /query
with bound values, which InfluxDB 3 and the clustered forms answer too. A token that is refused is read again: whoever
rotates it need not start us again.
https://docs.influxdata.com/influxdb/v2/api/
"""

import json
import re
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
import urllib3
from urllib3.exceptions import HTTPError, ProtocolError

from cloud.store.influx_flux import FluxError, rows
from cloud.store.model import StoreRefused, StoreUnavailable

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 60.0
CHUNK_ROWS = 10_000
_DATA_REFUSED = frozenset({400, 413, 422})
BEGINNING = "1677-09-21T00:12:43.145224194Z"  # the first time that InfluxDB can hold
ENDING = "2262-04-11T23:47:16Z"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Params = Mapping[str, str | int]


class DataRefused(Exception):
    """InfluxDB refuses these lines; `dropped` is how many of them, where it says so, and the others are stored."""

    def __init__(self, reason: str, dropped: int | None) -> None:
        super().__init__(reason)
        self.dropped = dropped


class InfluxConnection:
    """One bucket of one server, for any number of threads. `token` is asked for the token, again when it is refused."""

    def __init__(self, url: str, org: str, bucket: str, token: Callable[[], str]) -> None:
        self.url = url
        self.bucket = bucket
        self._org = org
        self._near = urlsplit(url).hostname in ("127.0.0.1", "::1", "localhost")
        self._pool = urllib3.PoolManager(
            maxsize=8,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S),
        )
        self._read_token = token
        self._token = token()
        where = urlencode({"org": org, "bucket": bucket})
        self._write_url = f"{url}/api/v2/write?{where}&precision=ms"
        self._flux_url = f"{url}/api/v2/query?{urlencode({'org': org})}"
        self._delete_url = f"{url}/api/v2/delete?{where}"

    def write(self, lines: bytes) -> None:
        """Stored for good when it returns. Raises DataRefused."""
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        body = lines
        if not self._near:  # on one machine packing costs more than it saves
            packer = zlib.compressobj(1, zlib.DEFLATED, 31)  # 31: with a gzip header
            body = packer.compress(lines) + packer.flush()
            headers["Content-Encoding"] = "gzip"
        self._post(self._write_url, body, headers, expect=204)

    def delete(self, time_ms: int, predicate: str) -> None:
        """Deletes what the predicate names at exactly this time."""
        time = _text(time_ms)
        self._delete(time, time, predicate)

    def delete_before(self, time_ms: int, predicate: str) -> None:
        """Deletes what the predicate names at every earlier time."""
        last_ns = _text(time_ms - 1).replace("Z", "999999Z")  # the end is deleted too
        self._delete(BEGINNING, last_ns, predicate)

    def query(self, query: str, params: Params) -> list[list[dict[str, Any]]]:
        """The series of each statement, times in milliseconds."""
        return [self._series_of(result) for result in self._results(self._ask(query, params, chunked=False).data)]

    def flux(self, script: str, columns: Sequence[str]) -> Iterator[list[str]]:
        """These columns of the rows that a Flux script gives. Raises StoreRefused also where there is no Flux."""
        headers = {"Content-Type": "application/json", "Accept": "application/csv"}
        body = {"query": script, "type": "flux", "dialect": {"annotations": [], "header": True}}
        try:
            response = self._post(self._flux_url, json.dumps(body).encode(), headers, 200, preload=False)
        except DataRefused as error:
            raise StoreRefused(f"InfluxDB at {self.url} refuses a query ({error}): is it a 2.x server?") from error
        try:
            yield from rows(response.stream(1 << 18), columns)
        except (HTTPError, FluxError) as error:
            raise StoreUnavailable(f"InfluxDB at {self.url} broke off an answer: {error}") from error
        except ValueError:
            raise StoreRefused(f"{self.url} does not answer as InfluxDB 2 does: mend KLIMANETZ_STORE") from None
        finally:
            response.close()
            response.release_conn()

    def stream(self, query: str, params: Params) -> Generator[list[list[Any]], None, None]:
        """The rows of the one series that one statement gives, some thousand at a time."""
        with closing(self.stream_series(query, params)) as found:
            for series in found:
                yield series["values"]

    def stream_series(self, query: str, params: Params) -> Generator[dict[str, Any], None, None]:
        """The same with columns and tags."""
        response = self._ask(query, params, chunked=True)
        try:
            for document in self._documents(response):
                for result in self._results(document):
                    yield from self._series_of(result)
        finally:
            response.close()  # a half-read answer cannot be kept alive
            response.release_conn()

    def close(self) -> None:
        self._pool.clear()

    def _delete(self, start: str, stop: str, predicate: str) -> None:
        body = json.dumps({"start": start, "stop": stop, "predicate": predicate}).encode()
        self._post(self._delete_url, body, {"Content-Type": "application/json"}, expect=204)

    def _ask(self, query: str, params: Params, chunked: bool) -> urllib3.BaseHTTPResponse:
        fields = {"db": self.bucket, "q": query, "epoch": "ms", "params": json.dumps(params)}
        if chunked:
            fields |= {"chunked": "true", "chunk_size": str(CHUNK_ROWS)}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        try:
            return self._post(f"{self.url}/query", urlencode(fields).encode(), headers, 200, preload=not chunked)
        except DataRefused as error:
            raise StoreRefused(f"InfluxDB at {self.url} refuses a query ({error}): is it a 2.x server?") from error

    def _documents(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        rest = b""
        try:
            for piece in response.stream(1 << 18):
                *documents, rest = (rest + piece).split(b"\n")
                yield from (document for document in documents if document)
        except HTTPError as error:
            raise StoreUnavailable(f"InfluxDB at {self.url} broke off an answer: {error}") from error
        if rest:
            yield rest

    def _results(self, document: bytes) -> list[dict[str, Any]]:
        try:
            results: list[dict[str, Any]] = orjson.loads(document)["results"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise StoreRefused(f"{self.url} does not answer as InfluxDB 2 does: mend KLIMANETZ_STORE") from None
        return results

    def _series_of(self, result: dict[str, Any]) -> list[dict[str, Any]]:
        error = result.get("error")
        if error is None:
            series: list[dict[str, Any]] = result.get("series", [])
            return series
        if "database not found" in error or "retention policy not set" in error:
            raise StoreRefused(
                f"InfluxDB at {self.url} has no bucket '{self.bucket}' that this token may read: create it, "
                "or mend KLIMANETZ_STORE or the token"
            )
        if "not executed" in error or "timeout" in error:
            raise StoreUnavailable(f"InfluxDB at {self.url} did not finish a query: {error}")
        raise StoreRefused(f"InfluxDB at {self.url} refuses a query ({error}): is it a 2.x server?")

    def _post(
        self, url: str, body: bytes, headers: dict[str, str], expect: int, preload: bool = True
    ) -> urllib3.BaseHTTPResponse:
        token = self._token
        try:
            response = self._send(url, body, headers, token, preload)
            if response.status == 401 and (fresh := self._read_token()) != token:
                response.drain_conn()
                response.release_conn()
                self._token = fresh
                response = self._send(url, body, headers, fresh, preload)
            if response.status != expect:
                self._raise(response)
        except HTTPError as error:
            raise StoreUnavailable(f"InfluxDB at {self.url} does not answer: {_plain(error)}") from error
        return response

    def _send(
        self, url: str, body: bytes, headers: dict[str, str], token: str, preload: bool
    ) -> urllib3.BaseHTTPResponse:
        headers = {**headers, "Authorization": f"Token {token}"}
        try:
            return self._pool.request("POST", url, body=body, headers=headers, preload_content=preload)
        except ProtocolError:
            # The server may close an idle connection just as we use it; everything we send may be sent twice.
            return self._pool.request("POST", url, body=body, headers=headers, preload_content=preload)

    def _raise(self, response: urllib3.BaseHTTPResponse) -> None:
        status, message = response.status, _message(response.data)
        if status in _DATA_REFUSED:
            raise DataRefused(message or f"status {status}", _dropped(message))
        if status == 429 or status >= 500:
            after = response.headers.get("Retry-After", "")
            raise StoreUnavailable(
                f"InfluxDB at {self.url} is not ready (status {status}): {message}",
                float(after) if after.isdigit() else None,
            )
        if status in (401, 403):
            raise StoreRefused(
                f"InfluxDB at {self.url} does not let this token use bucket '{self.bucket}' ({message}): set "
                "KLIMANETZ_INFLUX_TOKEN to one that may read and write it"
            )
        if status == 404:
            raise StoreRefused(
                f"InfluxDB at {self.url} says {message or 'not found'}: create organisation '{self._org}' and bucket "
                f"'{self.bucket}', or mend KLIMANETZ_STORE"
            )
        raise StoreRefused(f"{self.url} answers with status {status}: is KLIMANETZ_STORE an InfluxDB 2 server?")


def _text(time_ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(body: bytes) -> str:
    try:
        answer = orjson.loads(body)
        return str(answer.get("message") or answer.get("error") or "")
    except (orjson.JSONDecodeError, AttributeError):
        return body[:200].decode("utf-8", "replace").strip()


def _dropped(message: str) -> int | None:
    found = re.search(r"dropped[= ](\d+)", message)
    return int(found[1]) if found else None


def _plain(error: HTTPError) -> str:
    text = str(error)
    return text.rsplit(": ", 1)[-1] if ": " in text else text or type(error).__name__
