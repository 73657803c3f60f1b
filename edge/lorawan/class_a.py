"""One uplink, or one join, from the first bit sent to the last window closed: Class A as a state machine. Pure.

The rule: `step` says what to do next, and what happened is told with `sent` and `heard`; no radio, no clock, no chance
in here. A frame goes out unchanged up to `tries` times, each time on another channel, until the network answers:
unconfirmed ones back to back (NbTrans), confirmed ones after a wait that is random and grows, and at a slower data rate
every second time. Nothing goes out that the budget does not allow.
Specification: LoRaWAN 1.0.4, sections 3.3, 4.3.1.1 and 7.
"""

from collections import namedtuple

from edge.lorawan import eu868
from edge.lorawan.budget import LIVE
from edge.lorawan.receive import window

# What `step` gives.
Send = namedtuple("Send", ("hz", "dr", "eirp_dbm", "airtime_us"))
Listen = namedtuple("Listen", ("open_ms", "for_ms", "hz", "dr"))  # milliseconds after the end of the transmission
Wait = namedtuple("Wait", ("ms",))
Done = namedtuple("Done", ("times", "answered"))  # times: how often it went out, 0 where there was no air time

CONFIRMED_TRIES = 6
TRIES_A_RATE = 2
RETRANSMIT_MS = 1000  # to three times as much; doubled with every slower data rate
MHDR_MIC = 5  # bytes around what a data rate's limit counts
LORA_DR_MAX = 6  # above it is FSK, which the modems' drivers do not speak


class Transaction:
    """`phy` on one of `channels` (enabled ones, as a Link has them). `windows(channel, dr)`: ((delay_s, hz, dr), …)."""

    def __init__(self, phy, dr, channels, windows, budget, random, tries=1, confirmed=False, lane=LIVE, power=0):
        self.phy, self.dr, self.power = phy, min(dr, LORA_DR_MAX), power
        self._channels, self._windows = channels, windows
        self._budget, self._random = budget, random
        self._tries, self._confirmed, self._lane = tries, confirmed, lane
        self._times = 0
        self._channel = None
        self._open = []  # windows of the last transmission that are still to come
        self._waited = True
        self._answered = False

    def step(self, now_s):
        """`Send | Listen | Wait | Done`. After Send comes `sent`, after Listen `heard`."""
        if self._open:
            delay_s, hz, dr = self._open[0]
            open_ms, for_ms = window(delay_s, dr)
            return Listen(open_ms, for_ms, hz, dr)
        if self._answered or self._times >= self._tries:
            return Done(self._times, self._answered)
        if not self._waited:
            self._waited = True
            self._slow_down()
            grown = RETRANSMIT_MS << (self._times - 1) // TRIES_A_RATE
            return Wait(grown + self._random(2 * grown + 1))
        self._channel = self._choose(now_s)
        if self._channel is None:
            return Done(self._times, False)
        eirp_dbm = eu868.MAX_EIRP_DBM - 2 * self.power
        return Send(self._channel[0], self.dr, eirp_dbm, self._airtime_us())

    def sent(self):
        """The transmission is over; its end is what `Listen` counts from."""
        self._times += 1
        self._waited = not self._confirmed
        self._open = list(self._windows(self._channel, self.dr))

    def heard(self, received, answered=False):
        """What the window gave. `received`: a frame of the network for this device; `answered`: the one waited for."""
        self._open.pop(0)
        if received:
            self._open = []
        self._answered = answered or (received and not self._confirmed)

    def _choose(self, now_s):
        """A random channel with air time, another one than the last where there is one; None where there is none."""
        airtime_us = self._airtime_us()
        free = []
        for channel in self._channels:
            carries = channel[2] <= self.dr <= channel[3]
            if carries and self._budget.wait_s(channel[0], airtime_us, now_s, self._lane) == 0:
                free.append(channel)
        if len(free) > 1 and self._channel in free:
            free.remove(self._channel)
        return free[self._random(len(free))] if free else None

    def _airtime_us(self):
        return eu868.airtime_us(len(self.phy), self.dr)

    def _slow_down(self):
        """A frame that was not answered twice goes out louder and slower, where it still fits."""
        fits = self.dr and len(self.phy) <= eu868.DATA_RATES[self.dr - 1].mac_payload_max + MHDR_MIC
        if self._times % TRIES_A_RATE == 0 and fits:
            self.dr -= 1
            self.power = 0


def join_windows(channel, dr):
    """The receive windows of a JoinRequest."""
    return (eu868.JOIN_RX1_DELAY_S, channel[0], dr), (eu868.JOIN_RX1_DELAY_S + 1, eu868.RX2_HZ, eu868.RX2_DR)


JOIN_CHANNELS = [[hz, hz, low, high, True] for hz, low, high in eu868.DEFAULT_CHANNELS]
