"""Measuring as a state machine: what happened goes in, what to do next comes out. No hardware, no clock.

    begin ─▶ Warm each due sensor ─▶ Wait ─▶ Read ─▶ (more samples: Warm, Wait, Read) ─▶ Stop ─▶ Store

The rule: a sensor that is missing, stuck or answers rubbish costs its own values and nothing else; the others go on,
and its fault is told in the next status. A reading has at least one value or is none. A value out of the physical
range is kept, with the fault "range". Sensors are measured in the order in which they are ready; one that needs the
air pressure is started once that has been measured.
"""

from collections import namedtuple

from edge.averaging import averaged
from schemas.quantities import BY_NAME

# What to do.
Warm = namedtuple("Warm", ("sensor", "ambient"))  # start it; answer with warmed or failed
Wait = namedtuple("Wait", ("until_ms",))  # answer with waited
Read = namedtuple("Read", ("sensor", "ambient"))  # answer with measured or failed
Stop = namedtuple("Stop", ("sensor",))  # switch it off; answer with stopped
Store = namedtuple("Store", ("values",))  # to flash: the end of a cycle's measuring

WARM_UP_MAX_MS = 60000
STUCK_AFTER, STUCK_AFTER_SINGLE = 12, 192  # readings that are equal to the last digit; one slow quantity takes longer


class Station:
    """`config`: checked by edge.config; `kept`: what `to_dict` gave."""

    def __init__(self, config, kept=None):
        kept = kept or {}
        self._config = config
        self.cycle = kept.get("cycle", 0)
        self._same = dict(kept.get("same", {}))  # sensor -> [check of its values, how often in succession]
        self.faults = dict(kept.get("faults", {}))  # sensor -> fault code, as of its last measurement
        self._due, self._samples, self._todo, self._late = [], {}, [], []
        self._ambient, self._values = {}, {}
        self._now = 0
        self._stops = []

    def to_dict(self):
        return {"cycle": self.cycle, "same": self._same, "faults": self.faults}

    def begin(self, now_ms):
        """A cycle begins; the first thing to do."""
        self.cycle += 1
        self._now = now_ms
        sensors = self._config["sensors"]
        self._due = [name for name in sorted(sensors) if (self.cycle - 1) % sensors[name]["every"] == 0]
        self._samples = {name: [] for name in self._due}
        self._ambient, self._values = {}, {}
        self._stops = list(self._due)
        self._todo = []  # [when ready, sensor], to be read
        # A CO2 sensor reckons with the air pressure from its start on, so it waits for whoever measures that.
        pressure = any([sensors[name]["gives_pressure"] for name in self._due])
        self._late = [name for name in self._due if pressure and "co2" in sensors[name]["channels"]]
        self._to_warm = [name for name in self._due if name not in self._late]
        return self._next()

    def warmed(self, sensor, now_ms, ready_in_ms):
        """It may be read in so many milliseconds."""
        self._now = now_ms
        self._todo.append([now_ms + min(ready_in_ms, WARM_UP_MAX_MS), sensor])
        return self._next()

    def measured(self, sensor, now_ms, values):
        """{quantity: value} of one sample."""
        self._now = now_ms
        self._samples[sensor].append(values)
        rule = self._config["sensors"][sensor]
        if len(self._samples[sensor]) < rule["samples"]:
            self._todo.append([now_ms + rule["spacing_s"] * 1000, None, sensor])
        else:
            self._finish(sensor)
        return self._next()

    def failed(self, sensor, now_ms, code):
        """Starting or reading it failed: SensorFault.code."""
        self._now = now_ms
        if not self._samples[sensor]:
            self.faults[sensor] = code
            self._same.pop(sensor, None)
        else:
            self._finish(sensor)
        return self._next()

    def waited(self, now_ms):
        self._now = now_ms
        return self._next()

    def stopped(self, now_ms):
        self._now = now_ms
        return self._next()

    def _next(self):
        if self._to_warm:
            return Warm(self._to_warm.pop(0), self._ambient)
        if self._late and not any([self._config["sensors"][one[-1]]["gives_pressure"] for one in self._todo]):
            return Warm(self._late.pop(0), self._ambient)
        if self._todo:
            self._todo.sort(key=_when)
            first = self._todo[0]
            if first[0] > self._now:
                return Wait(first[0])
            del self._todo[0]
            if first[1] is None:
                return Warm(first[2], self._ambient)
            return Read(first[1], self._ambient)
        if self._stops:
            return Stop(self._stops.pop(0))
        return Store(self._values)

    def _finish(self, sensor):
        """A sensor's samples become its channels; what is odd about them becomes its fault."""
        values = averaged(self._samples[sensor])
        channels = self._config["sensors"][sensor]["channels"]
        self.faults.pop(sensor, None)
        for quantity, value in values.items():
            self._ambient[quantity] = value
            channel = channels.get(quantity)
            if channel is None:
                continue
            self._values[channel] = value
            known = BY_NAME[channel.split("@")[0]]
            if not known.minimum <= value <= known.maximum:
                self.faults[sensor] = "range"
        if self._is_stuck(sensor, values):
            self.faults[sensor] = "stuck"

    def _is_stuck(self, sensor, values):
        if not any(BY_NAME[q].step_minute for q in values):  # rain, light, fine dust may stand still
            return False
        check = sum([int(values[q] * 100000) for q in sorted(values)]) & 0x3FFFFFFF
        before = self._same.get(sensor)
        times = before[1] + 1 if before and before[0] == check else 1
        self._same[sensor] = [check, times]
        return times >= (STUCK_AFTER if len(values) > 1 else STUCK_AFTER_SINGLE)


def _when(one):
    return one[0]
