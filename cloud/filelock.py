"""A file as a lock between processes; the system lets go when its process ends, however it ends."""

from typing import IO

try:
    import fcntl
except ImportError:  # Windows, where one process of a kind runs
    fcntl = None  # type: ignore[assignment]


def locked(file: IO[str], wait: bool = False) -> bool:
    """Take a file for this process, until it closes it or ends; False when another has it and we do not wait."""
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
    return True
