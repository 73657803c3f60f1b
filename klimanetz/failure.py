"""What goes wrong, as one sentence and an exit code."""

import errno

from sqlalchemy.exc import DBAPIError

from cloud.ingest.rawlog import RawLogUnavailable
from cloud.sql import DatabaseUnavailable, DatabaseUrlError
from cloud.store.model import StoreRefused, StoreUnavailable, StoreUrlError
from firmware.bench.trouble import BenchError, WrongUse
from gateway.database import StorageError
from gateway.semtech.endpoint import PortError

EXPECTED = (
    BenchError, DatabaseUnavailable, DatabaseUrlError, PortError, RawLogUnavailable, StorageError, StoreRefused,
    StoreUnavailable, StoreUrlError,
)  # fmt: skip
BENCH_LIBRARIES = {"esptool", "esp_pylib", "fpdf", "littlefs", "mpremote", "segno", "serial"}


class Failure(Exception):
    """A command cannot go on; the message is one sentence with the way out."""

    def __init__(self, sentence: str, exit_code: int = 1) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


def wrong_use(sentence: str) -> Failure:
    return Failure(sentence, exit_code=2)


def exit_code_of(error: Exception) -> int:
    """2 for wrong use, 1 for a failure."""
    return 2 if isinstance(error, WrongUse) else 1


def sentence_of(error: Exception) -> str | None:
    """The sentence for an error that can happen to anybody; None for a fault of ours."""
    if isinstance(error, EXPECTED):
        return str(error)
    if isinstance(error, DBAPIError):
        return f"the registry's database failed: {error.orig}"
    if isinstance(error, ModuleNotFoundError) and error.name in BENCH_LIBRARIES:
        return "the technician's bench needs its tools; pip install 'klimanetz[device]'"
    if isinstance(error, ModuleNotFoundError) and error.name == "psycopg":
        return "a registry on PostgreSQL needs its driver; pip install 'klimanetz[postgresql]'"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "the disk is full; free some space and start again, nothing that was captured is lost"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return None
