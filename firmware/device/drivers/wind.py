"""A cup anemometer: mean speed and the strongest three seconds of the time it is counted.

Where the ULP counts, that is all of the time since the last reading; else as long as the chip is awake for it.
"""

from edge.sensors import weather

_GUST_MS = 3000


class Driver:
    def __init__(self, counter, address=None, m_s_per_hz=weather.M_S_PER_HZ, offset_m_s=0.0, debounce_ms=2, seconds=30):
        self._counter = counter
        self._scale, self._offset = m_s_per_hz, offset_m_s
        self._ms = max(3, min(60, seconds)) * 1000

    def start(self, ambient):
        return max(0, self._ms - (self._counter.begin() or 0))

    def read(self, ambient):
        pulses, ms, most = self._counter.end()
        speed = weather.wind_m_s(pulses, ms, self._scale, self._offset)
        return {
            "wind_speed": speed,
            "wind_gust": max(speed, weather.wind_m_s(most, _GUST_MS, self._scale, self._offset)),
        }

    def stop(self):
        pass
