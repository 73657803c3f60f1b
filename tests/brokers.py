"""A real Mosquitto for a test, on a free port, with a configuration of its own."""

import socket
import subprocess
import time
from pathlib import Path

from tests.ports import free_port

START_S = 10.0


class Broker:
    """A running Mosquitto. `restart` keeps port and folder."""

    def __init__(self, binary: str, folder: Path, extra_config: str) -> None:
        self.host, self.port = "127.0.0.1", free_port()
        self._binary = binary
        self._config = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        folder.mkdir(parents=True, exist_ok=True)
        self._config.write_text(
            f"listener {self.port} {self.host}\nallow_anonymous true\nmax_queued_messages 100000\nuser root\n"
            f"persistence true\npersistence_location {folder}/\n{extra_config}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Starts it and waits until it accepts connections."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([self._binary, "-c", str(self._config)], stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection((self.host, self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise RuntimeError("mosquitto did not start: " + self._log.read_text()[-500:])

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """Stops it; its port stays ours by luck only."""
        if self._process:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def kill(self) -> None:
        """kill -9."""
        if self._process:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()


def start_mosquitto(binary: str, folder: Path, extra_config: str = "") -> Broker:
    """A broker that accepts connections. Stop it in the end."""
    return Broker(binary, folder, extra_config)
