"""What stands for the chip's own start: the file system is mounted, then the script named on the command line runs."""

import os
import sys

import vfs

from simulators.board import timeline
from simulators.board.flash import Flash

ROOT = "/flash"  # on the chip it is /


def mount():
    """The Flash under `/flash`, formatted where it is new."""
    flash = Flash(timeline.folder + "/flash.img", timeline.chip.get("flash_blocks", 256))
    try:
        files = vfs.VfsLfs2(flash)
    except OSError:
        vfs.VfsLfs2.mkfs(flash)
        files = vfs.VfsLfs2(flash)
    vfs.mount(files, ROOT)
    return flash


def main():
    mount()
    if timeline.chip.get("parts") or timeline.chip.get("held_low"):
        from simulators.board import world

        world.build()
    script = sys.argv[1]
    folder = script[: script.rfind("/") + 1] or os.getcwd()
    sys.path[0] = folder  # in place of the folder of this file, whose modules have the names of the chip's
    with open(script) as file:
        code = file.read()
    try:
        exec(code, {"__name__": "__main__"})
    except Exception:
        if timeline.is_dead():  # what it hit was the power going
            timeline.lose_power()
        raise


if __name__ == "__main__":
    main()
