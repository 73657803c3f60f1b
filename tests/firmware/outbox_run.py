"""Under MicroPython: 500 readings through the outbox on real littlefs, with acknowledgements and an outbox that gets full.

Prints a line after each step: how many block writes there have been, and what is true from then on.
"""

from edge.outbox.outbox import Outbox
from firmware.device.store import Files
from schemas.wire import WireReading
from simulators.board import timeline

READINGS, SEGMENTS = 500, 4


def main():
    outbox = Outbox(Files("/flash/outbox"), SEGMENTS)
    outbox.begin(1, False)
    for n in range(1, READINGS + 1):
        values = {"air_temperature": n % 40, "relative_humidity": 50.5, "air_pressure": 1003.2, "battery": 3.9}
        reading = WireReading(0, 0, 1767225600 + 900 * n, None, "lorawan", 0.5, values, 0)
        print(timeline.chip.get("writes", 0), "put", n)
        _, stored = outbox.put(reading, 1, 900 * n)
        assert stored
        if n % 90 == 0:
            first, last = n - 80, n - 60  # a part, so that segments stay and the oldest has to go one day
            print(timeline.chip.get("writes", 0), "ack", first, last)
            outbox.acked([(1, first, last)])
        if n == 300:
            print(timeline.chip.get("writes", 0), "ack", 1, 200)
            outbox.acked([(1, 1, 200)])
    print(timeline.chip.get("writes", 0), "end", outbox.waiting(), outbox.forgotten)


main()
