"""Under MicroPython: the firmware as a board starts it; what it has counted is told before each sleep, with true time."""

from firmware.device import main
from firmware.device.unit import Unit
from simulators.board import timeline

_keep = Unit.keep


def keep(self, planned_ms):
    print(timeline.true_us, " ".join([str(total) for _, total in sorted(self.contacts.totals().items())]))
    _keep(self, planned_ms)


Unit.keep = keep
main.run(timeline.chip.get("board", "heltec_v3"), "1.0.0", "/flash")
