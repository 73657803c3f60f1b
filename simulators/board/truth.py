"""What is true at a place and a moment: `truth(quantity, place, true_us, seed)`. Pure; MicroPython and CPython.

A yearly and a daily wave, weather of some days, and the place itself. Rain falls in whole hours at an even rate and
wind blows evenly for a minute, in whole numbers, so that a count of pulses can be told exactly: `Train`. Both
interpreters compute with the same double precision, so a test knows what a sensor had to say.
"""

from math import cos, pi

HOUR_US = 3600000000
DAY_US = 24 * HOUR_US
_MINUTE_US = 60000000
_YEAR_US = 365.2425 * DAY_US
RAIN_SINCE_US = 1767225600000000  # 2026-01-01
_SLOTS_AHEAD = 5000  # how far a next pulse is looked for
_M = 0x7FFFFFFF


def _random(*keys):
    """0 to 1, always the same for the same keys: a hash in numbers that stay small."""
    state = 0x1F123BB5
    for key in keys:
        if isinstance(key, str):
            for letter in key:
                state = (state ^ ord(letter)) * 16777619 & _M
        else:
            state = (state ^ (key & _M)) * 16777619 & _M
            state = (state ^ (key >> 31 & _M)) * 16777619 & _M
    for _ in range(3):
        state ^= state >> 15
        state = state * 0x2C1B3C6D & _M
    return (state >> 7 & 0xFFFFFF) / 0x1000000


def _smooth(true_us, step_us, *keys):
    """-1 to 1, one value at every whole step."""
    low = true_us // step_us
    part = (true_us - low * step_us) / step_us
    ease = part * part * (3 - 2 * part)
    return 2 * (_random(low, *keys) * (1 - ease) + _random(low + 1, *keys) * ease) - 1


def _waves(place, true_us, seed):
    year = cos(2 * pi * (true_us / _YEAR_US - 200 / 365.25))
    day = cos(2 * pi * ((true_us % DAY_US) / DAY_US - 13.5 / 24))
    system = _smooth(true_us, 84 * HOUR_US, "system", seed)
    local = _smooth(true_us, 90 * _MINUTE_US, place, seed)
    return year, day, system, local


def _air_temperature(place, true_us, seed):
    year, day, system, local = _waves(place, true_us, seed)
    return 10 + 9.5 * year + 4.5 * system + (3.2 + 1.8 * year) * day + 0.4 * local


def _relative_humidity(place, true_us, seed):
    year, day, _, local = _waves(place, true_us, seed)
    return 72 - 6 * year - 12 * day + 3 * local


def _air_pressure(place, true_us, seed):
    return 1003 - 9 * _waves(place, true_us, seed)[2]


def _soil_temperature(place, true_us, seed):
    year, day, _, local = _waves(place, true_us - 3 * HOUR_US, seed)
    return 10 + 8.5 * year + 1.2 * day + 0.3 * local


def _co2(place, true_us, seed):
    _, day, system, local = _waves(place, true_us, seed)
    return 440 - 15 * day + 12 * system + 8 * local


def _pm(share):
    def value(place, true_us, seed):
        _, day, system, local = _waves(place, true_us, seed)
        return (14 + 6 * system - 3 * day + 4 * local) * share

    return value


def _illuminance(place, true_us, seed):
    year, day, system, local = _waves(place, true_us, seed)
    return max(0.0, day + 0.25 * year) * (30000 + 20000 * year) * (0.7 - 0.25 * system + 0.05 * local) + 0.2


def _soil_moisture(place, true_us, seed):
    return 32 + 6 * _waves(place, true_us, seed)[2] + 2 * _smooth(true_us, 30 * HOUR_US, place, seed)


def _wind_direction(place, true_us, seed):
    return (225 + 150 * _smooth(true_us, 12 * HOUR_US, "direction", seed)) % 360


def _battery(place, true_us, seed):
    return 4.1 - 0.3 * ((true_us - RAIN_SINCE_US) / _YEAR_US % 1)


def rain_nm_per_hour(hour, place, seed):
    """How much falls in an hour (counted since 1970), nm of height: one hour in sixteen is wet, in spells."""
    if _random(hour // 3, "spell", place, seed) > 0.06:
        return 0
    return int(_random(hour, "rain", place, seed) ** 3 * 4000000)


def wind_um_per_minute(minute, place, seed):
    """How far the air moves in a minute, µm; the speed in m/s is this over 60,000,000."""
    us = minute * _MINUTE_US
    mean = 3.2 + 2.2 * _smooth(us, 7 * HOUR_US, "wind", seed) + 0.8 * cos(2 * pi * ((us % DAY_US) / DAY_US - 14 / 24))
    return int(max(0.0, mean + 0.9 * _random(minute, "gust", place, seed) - 0.4) * 60000000)


class Train:
    """Pulses of something that flows: one for every `per_pulse`. `rate(slot, place, seed)` is what flows in a slot.

    It counts from a beginning; in a slot it flows evenly. Only the sum before one slot is remembered.
    """

    def __init__(self, rate, slot_us, per_pulse, begins_us, place, seed):
        self._rate, self._slot_us, self._per_pulse = rate, slot_us, per_pulse
        self._place, self._seed = place, seed
        self._first = self._slot = begins_us // slot_us
        self._sum = 0  # of all slots before self._slot

    def _before(self, slot):
        """What flowed before a slot; the memory goes there, forth or back."""
        slot = max(slot, self._first)
        while self._slot < slot:
            self._sum += self._flows(self._slot)
            self._slot += 1
        while self._slot > slot:
            self._slot -= 1
            self._sum -= self._flows(self._slot)
        return self._sum

    def _flows(self, slot):
        return self._rate(slot, self._place, self._seed)

    def amount(self, true_us):
        """What flowed since the beginning."""
        slot = true_us // self._slot_us
        if slot < self._first:
            return 0
        return self._before(slot) + self._flows(slot) * (true_us - slot * self._slot_us) // self._slot_us

    def count(self, true_us):
        """Pulses since the beginning, one at this very moment included."""
        return self.amount(true_us) // self._per_pulse

    def moment(self, number):
        """When a pulse comes (the first one is 1), looked for from the slot that was asked about last."""
        need = number * self._per_pulse
        slot, before = self._slot, self._sum
        while before >= need:
            slot -= 1
            before -= self._flows(slot)
        for _ in range(_SLOTS_AHEAD):
            flows = self._flows(slot)
            if before + flows >= need:
                return slot * self._slot_us + -(-(need - before) * self._slot_us // flows)
            before += flows
            slot += 1
        return None

    def next_after(self, true_us):
        return self.moment(self.count(true_us) + 1)

    def last_until(self, true_us):
        number = self.count(true_us)
        return self.moment(number) if number else None


def rain(place, seed, nm_per_tip=279400):
    """A tipping bucket's tips."""
    return Train(rain_nm_per_hour, HOUR_US, nm_per_tip, RAIN_SINCE_US, place, seed)


def wind(place, seed, begins_us, um_per_pulse=666667):
    """An anemometer's pulses since the day in which `begins_us` is; 2.4 km/h is one a second."""
    return Train(wind_um_per_minute, _MINUTE_US, um_per_pulse, begins_us // DAY_US * DAY_US, place, seed)


def _precipitation_total(place, true_us, seed):
    """mm since 2026 began."""
    return rain(place, seed).amount(true_us) / 1000000


def _wind_speed(place, true_us, seed):
    return wind_um_per_minute(true_us // _MINUTE_US, place, seed) / 60000000


_QUANTITIES = {
    "air_temperature": _air_temperature,
    "relative_humidity": _relative_humidity,
    "air_pressure": _air_pressure,
    "soil_temperature": _soil_temperature,
    "water_temperature": _soil_temperature,
    "surface_temperature": _air_temperature,
    "co2": _co2,
    "pm1": _pm(0.6),
    "pm2_5": _pm(0.8),
    "pm10": _pm(1.1),
    "illuminance": _illuminance,
    "soil_moisture": _soil_moisture,
    "wind_direction": _wind_direction,
    "wind_speed": _wind_speed,
    "precipitation_total": _precipitation_total,
    "battery": _battery,
}


def truth(quantity, place, true_us, seed):
    """The true value; KeyError for a quantity that has none."""
    return _QUANTITIES[quantity](place, true_us, seed)
