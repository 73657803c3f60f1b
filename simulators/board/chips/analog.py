"""What stands on an ADC: a wind vane of reeds and resistors, a capacitive soil probe, a cell behind a divider.

The vane: SparkFun SEN-15901 datasheet, 16 directions, one resistor each, against a pull-up at the supply.
"""

from simulators.board import part
from simulators.board.part import clamp

_KILOHM = (33, 6.57, 8.2, 0.891, 1, 0.688, 2.2, 1.41, 3.9, 3.14, 16, 14.12, 120, 42.12, 64.9, 21.88)


class Vane(part.Part):
    """Missing: the pull-up alone, or nothing where that is away too; the ADC sees no part then."""

    def __init__(self, truth, faults=None, kept=None, supply_v=3.0, pull_up_kilohm=10, north_deg=0):
        super().__init__(truth, faults, kept)
        self._supply_v, self._pull_up, self._north_deg = supply_v, pull_up_kilohm, north_deg

    def volts(self):
        step = int((self.truth("wind_direction") - self._north_deg) % 360 / 22.5 + 0.5) % 16
        return self._supply_v * _KILOHM[step] / (_KILOHM[step] + self._pull_up)


class Soil(part.Part):
    """Linear between dry and wet; less voltage is wetter."""

    def __init__(self, truth, faults=None, kept=None, dry_v=2.5, wet_v=1.0):
        super().__init__(truth, faults, kept)
        self._dry_v, self._wet_v = dry_v, wet_v

    def volts(self):
        share = clamp(self.truth("soil_moisture") / 100, 0, 1)
        return self._dry_v + share * (self._wet_v - self._dry_v)


class Cell(part.Part):
    def __init__(self, truth, faults=None, kept=None, divider=4.9):
        super().__init__(truth, faults, kept)
        self._divider = divider

    def volts(self):
        return self.truth("battery") / self._divider
