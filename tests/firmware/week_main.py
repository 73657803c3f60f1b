"""Under MicroPython: the firmware as a board starts it; what reaches flash is written down with its true time."""

from edge.outbox.outbox import Outbox
from firmware.device import main
from simulators.board import timeline

_put = Outbox.put


def put(self, reading, boot, uptime_s):
    before_us = timeline.true_us
    got, stored = _put(self, reading, boot, uptime_s)
    with open(timeline.folder + "/truth.log", "a") as file:
        file.write("%d %d %d %d\n" % (got.generation, got.seq, before_us, stored))
    return got, stored


Outbox.put = put
main.run("heltec_v3", "1.0.0", "/flash")
