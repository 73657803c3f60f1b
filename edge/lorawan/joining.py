"""When to join, and at which data rate. Pure: times and chance are arguments.

The rule: in the first hour 1 % of the time on air, in the ten after it 0.1 %, then 0.01 %, so that a city that had no
power does not drown its gateways; every wait is longer by a random half, so that its devices drift apart.
Specification: LoRaWAN 1.0.4, section 7 (retransmissions back-off).
"""

HOUR_MS = 3600000
SLOWER = ((HOUR_MS, 100), (11 * HOUR_MS, 1000))  # until then: one part in so many
SLOWEST = 10000
FIRST_MS = 4000  # the first join comes at a random moment within


class Joining:
    """Attempts to join. Milliseconds are of a clock that starts anew when the power was lost; so do the attempts."""

    def __init__(self, stored=None):
        first_ms, next_ms, tries = stored or (None, None, 0)
        self.first_ms, self.next_ms, self.tries = first_ms, next_ms, tries

    def to_list(self):
        """For the memory that outlives a deep sleep."""
        return [self.first_ms, self.next_ms, self.tries]

    def wait_ms(self, now_ms, random):
        """Milliseconds until the next attempt, 0: now. `random(n)`: a number below n."""
        if self.next_ms is None:
            self.next_ms = now_ms + random(FIRST_MS)
        return max(0, self.next_ms - now_ms)

    def data_rate(self, highest):
        """Of the next attempt: each twice, from the one of the configuration down to 0, and again."""
        return highest - self.tries % (2 * highest + 2) // 2

    def tried(self, airtime_us, now_ms, random):
        """An attempt has been sent."""
        if self.first_ms is None:
            self.first_ms = now_ms
        self.tries += 1
        since_ms = now_ms - self.first_ms
        parts = SLOWER[0][1] if since_ms < SLOWER[0][0] else SLOWER[1][1] if since_ms < SLOWER[1][0] else SLOWEST
        silent_ms = airtime_us * parts // 1000
        self.next_ms = now_ms + silent_ms + random(silent_ms // 2 + 1)
