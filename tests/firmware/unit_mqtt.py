"""Under MicroPython: the whole firmware on a board with Wi-Fi; its files come from the chip's folder once."""

import os

from simulators.board import timeline

for name in ("config.json", "identity.json", "ca.der"):
    try:
        os.stat("/flash/" + name)
    except OSError:
        with open(timeline.folder + "/" + name, "rb") as source, open("/flash/" + name, "wb") as target:
            target.write(source.read())

from firmware.device import main  # noqa: E402

main.run("esp32_devkit", "1.0.0", "/flash")
