"""A whole station with anemometer and rain gauge; what it stores is printed. Started by tests/firmware/test_ulp.py."""

from square import Square

from edge.outbox.outbox import Outbox
from firmware.device import main
from simulators.board import pins, timeline

for gpio, (period_us, closed_us) in timeline.chip["contacts"].items():
    pins.attach(int(gpio), Square(period_us, closed_us, timeline.chip.get("gust", (0, 0))))
_put = Outbox.put


def put(self, reading, boot, uptime_s):
    print(sorted(reading.values.items()))
    return _put(self, reading, boot, uptime_s)


Outbox.put = put
main.run(timeline.chip["board"], "1.0.0", "/flash")
