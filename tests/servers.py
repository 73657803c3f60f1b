"""Real servers for tests: each on a port of its own choice, ready when its start function returns.

`from tests.servers import influx_server` in a conftest.py gives one InfluxDB for the session; a test takes its own
bucket with `influx_server.new_bucket()`.
"""

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from queue import Empty, Queue

import pytest
import urllib3

from tests.ports import free_port

START_TIMEOUT_S = 30.0


@dataclass
class InfluxServer:
    """A running InfluxDB 2; `url` is http://127.0.0.1:port, `token` may do everything."""

    url: str
    org: str
    bucket: str
    token: str
    process: subprocess.Popen[str]
    _http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, timeout=30))
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def store_url(self, bucket: str = "") -> str:
        """What KLIMANETZ_STORE would be."""
        return f"{self.url.replace('http://', 'influxdb://')}/{self.org}/{bucket or self.bucket}"

    def new_bucket(self, retention_s: int = 0) -> str:
        """The name of a fresh bucket."""
        name = f"test-{next(self._numbers)}"
        (org,) = self.ask("GET", f"/api/v2/orgs?org={self.org}")["orgs"]
        rules = [{"type": "expire", "everySeconds": retention_s}] if retention_s else []
        self.ask("POST", "/api/v2/buckets", {"orgID": org["id"], "name": name, "retentionRules": rules})
        return name

    def new_token(self, bucket: str, *actions: str) -> str:
        """A token that may only do these actions ("read", "write") on one bucket."""
        (found,) = self.ask("GET", f"/api/v2/buckets?name={bucket}")["buckets"]
        resource = {"type": "buckets", "id": found["id"], "orgID": found["orgID"]}
        permissions = [{"action": action, "resource": resource} for action in actions]
        return self.ask("POST", "/api/v2/authorizations", {"orgID": found["orgID"], "permissions": permissions})[
            "token"
        ]

    def revoke(self, token: str) -> None:
        """Nobody gets in with it any more."""
        (found,) = [one for one in self.ask("GET", "/api/v2/authorizations")["authorizations"] if one["token"] == token]
        headers = {"Authorization": f"Token {self.token}"}
        assert self._http.request("DELETE", f"{self.url}{found['links']['self']}", headers=headers).status == 204

    def ask(self, method: str, path: str, body: object = None) -> dict:
        """The JSON answer of the server's own API."""
        headers = {"Authorization": f"Token {self.token}"}
        data = None if body is None else json.dumps(body).encode()
        response = self._http.request(method, self.url + path, body=data, headers=headers)
        assert response.status < 300, response.data
        return json.loads(response.data)

    def stop(self) -> None:
        """Ends the server; its folder stays."""
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_influxd(binary: str, folder: Path, port: int = 0, org: str = "halle", bucket: str = "klima") -> InfluxServer:
    """Starts influxd on 127.0.0.1 with its files in `folder` and sets it up, or takes up what was there."""
    command = [
        binary,
        "--http-bind-address",
        f"127.0.0.1:{port or free_port()}",
        "--engine-path",
        str(folder / "engine"),
    ]
    command += ["--bolt-path", str(folder / "influxd.bolt"), "--sqlite-path", str(folder / "influxd.sqlite")]
    command += ["--reporting-disabled", "--no-tasks"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder)
    listening: Queue[int] = Queue()
    threading.Thread(target=_follow, args=(process, folder / "influxd.log", listening), daemon=True).start()
    try:
        url = f"http://127.0.0.1:{listening.get(timeout=START_TIMEOUT_S)}"
    except Empty:
        process.kill()
        process.wait()
        raise RuntimeError(f"influxd did not start: see {folder / 'influxd.log'}") from None
    server = InfluxServer(url, org, bucket, "token-of-the-test", process)
    assert server.ask("GET", "/health")["status"] == "pass"
    if server.ask("GET", "/api/v2/setup")["allowed"]:
        user = {"username": "test", "password": "password-of-the-test"}
        server.ask("POST", "/api/v2/setup", user | {"org": server.org, "bucket": server.bucket, "token": server.token})
    return server


def find_influxd() -> str | None:
    """Path of a real InfluxDB 2 server, None where there is none."""
    return os.environ.get("INFLUXD") or shutil.which("influxd")


@contextmanager
def influx_for(part: str) -> Iterator[InfluxServer | None]:
    """A server of its own for a part of the bench; None, and said, where there is none."""
    binary = find_influxd()
    if binary is None:
        print(f"{part}: left out, no influxd on PATH and none in $INFLUXD")
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        server = start_influxd(binary, Path(folder))
        try:
            yield server
        finally:
            server.stop()


def _follow(process: subprocess.Popen[str], log: Path, listening: Queue[int]) -> None:
    """Keeps the pipe empty; the log line of the listener names the port."""
    assert process.stdout is not None
    with log.open("a") as file:
        for line in process.stdout:
            file.write(line)
            if "msg=Listening" in line and "port=" in line:
                listening.put(int(line.rsplit("port=", 1)[1].split()[0]))


@pytest.fixture(scope="session")
def influx_server(influxd: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    """One InfluxDB for the session."""
    server = start_influxd(influxd, tmp_path_factory.mktemp("influxd"))
    yield server
    server.stop()
