"""Under MicroPython: the firmware as a board starts it."""

from firmware.device import main

main.run("heltec_v3", "1.0.0", "/flash")
