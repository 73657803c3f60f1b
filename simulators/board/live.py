"""A chip that lives in real time, behind a prompt: mounts its flash at `/`, runs `boot.py` and `main.py`.

MicroPython only, for simulators.bench. The host's file system is at `HOST` and hidden from listings; `os` and `sys`
say that this is an ESP32. What a start is for stands in `chip.json`, "start": "full", or "raw" after a soft reset in
the raw REPL, where `main.py` does not run. Two marks in the output tell the host where it is: `READY` before the first
file, `PROMPT` before the prompt.
"""

import sys
from collections import namedtuple

import uos
import vfs

from simulators.board import timeline
from simulators.board.flash import Flash

HOST = "/_host"
READY, PROMPT = "\x1eR", "\x1eP"
BOOT_PY = "# Runs at every start, before main.py\n"
_Implementation = namedtuple("implementation", ("name", "version", "_machine", "_mpy", "_build"))
_Uname = namedtuple("uname", ("sysname", "nodename", "release", "version", "machine"))


class _Os:
    """`os` of the port: the host's file system does not show."""

    def __getattr__(self, name):
        return getattr(uos, name)

    def uname(self):
        version = timeline.chip.get("version", "v1.29.0")
        return _Uname("esp32", "esp32", version[1:], version + " (simulated board)", _machine())

    def ilistdir(self, path=""):
        return iter([one for one in uos.ilistdir(path) if one[0] != HOST[1:]])

    def listdir(self, path=""):
        return [name for name in uos.listdir(path) if name != HOST[1:]]


class _Sys:
    """`sys` of the port."""

    platform = "esp32"

    def __init__(self):
        version = timeline.chip.get("version", "v1.29.0")[1:].split("-")
        numbers = tuple([int(part) for part in version[0].split(".")])
        self.implementation = _Implementation(
            "micropython", numbers + (version[1] if len(version) > 1 else "",), _machine(), sys.implementation._mpy,
            "ESP32_GENERIC",
        )  # fmt: skip

    def __getattr__(self, name):
        return getattr(sys, name)


def _machine():
    name = timeline.chip.get("model", "esp32s3").upper()
    return "Generic %s module with %s" % (name, name)


def _mount():
    path, first, blocks = timeline.chip["vfs"]
    flash = Flash(path, blocks, first)
    try:
        files, new = vfs.VfsLfs2(flash), False
    except OSError:
        vfs.VfsLfs2.mkfs(flash)
        files, new = vfs.VfsLfs2(flash), True
    vfs.mount(files, "/")
    uos.chdir("/")
    if new:
        with open("boot.py", "w") as file:
            file.write(BOOT_PY)


def _run(name, scope):
    """A file of the board, where there is one. True where it came to its end."""
    try:
        with open(name) as file:
            code = file.read()
    except OSError:
        return True
    try:
        exec(compile(code, name, "exec"), scope)
        return True
    except SystemExit:
        timeline.end("soft")
    except BaseException as error:
        if timeline.is_dead():
            timeline.lose_power()
        sys.print_exception(error)
    return False


def start(scope):
    """All that comes before the prompt."""
    sys.atexit(_left)
    _mount()
    if timeline.chip.get("parts") or timeline.chip.get("held_low"):
        from simulators.board import world

        world.build()
    sys.modules["os"], sys.modules["sys"] = _Os(), _Sys()
    try:
        sys.stdout.write(READY)
        if _run("boot.py", scope) and timeline.chip.get("start") != "raw":
            _run("main.py", scope)
    except KeyboardInterrupt:
        pass
    while True:
        try:
            sys.stdout.write(PROMPT)
            return
        except KeyboardInterrupt:
            pass


def _left():
    """The interpreter ends by itself: Ctrl-D, or SystemExit at the prompt."""
    if not timeline.is_dead():
        timeline.end("soft", raw=True)
