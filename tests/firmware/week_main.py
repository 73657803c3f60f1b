"""Under MicroPython: the firmware as a board starts it. What reaches flash is written down with its true time, and what
is free of the heap at the end of each start.
"""

import gc

from edge.desk import Desk
from edge.outbox.outbox import Outbox
from firmware.device import main, unit
from simulators.board import timeline

_put, _fault, _keep = Outbox.put, Desk.fault, unit.Unit.keep


def write(name, *what):
    with open(timeline.folder + "/" + name, "a") as file:
        file.write(" ".join([str(word) for word in what]) + "\n")


def put(self, reading, boot, uptime_s):
    before_us = timeline.true_us
    write("truth.log", self.generation, self.next_seq, before_us, 0)
    got, stored = _put(self, reading, boot, uptime_s)
    write("truth.log", got.generation, got.seq, before_us, int(stored))
    return got, stored


def fault(self, code, detail="", where="radio"):
    write("faults.log", timeline.true_us, where, code, detail)
    _fault(self, code, detail, where)


def keep(self, planned_ms):
    gc.collect()
    write("heap.log", timeline.true_us, self._phase, gc.mem_free())
    _keep(self, planned_ms)


Outbox.put, Desk.fault, unit.Unit.keep = put, fault, keep
main.run("heltec_v3", "1.0.0", "/flash")
